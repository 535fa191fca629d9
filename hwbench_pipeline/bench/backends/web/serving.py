"""The server of a measuring page: the page, the runtime, one model with its inputs, and the outputs that come back.

Belongs here: bytes and headers. The page is cross-origin isolated by its headers, without which a browser gives neither a
precise clock nor threads. Nothing is served but what the server was told to serve, and only on the loopback interface where
nobody asked for another.
"""

from __future__ import annotations

import http.server
import json
import mimetypes
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hwbench_pipeline.hardware.browsers import PAGE_FOLDER, RUNTIME_FOLDER

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_SUFFIXES = (".html", ".js")
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}
LARGEST_OUTPUT_BYTES = 2_000_000_000
"""A page that sends more is not believed."""
_LARGEST_MESSAGE_BYTES = 20_000_000
"""Of what a page says in words, the runtime's log of a session's making included."""

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = (LOOPBACK, "localhost")


class PageServer:
    """A server for one page, from `with` to its end.

    `files` are served by the URL path they have here; `outputs` are what the page sent back, by their number. `listeners` are
    told what the page posts as JSON to their URL path, and answer in JSON. A request has to name the server by one of `names`,
    which are the loopback's where none are given. With a `certificate` (of it and its key) the page is served by TLS.
    """

    def __init__(
        self,
        files: Mapping[str, Path | bytes],
        *,
        listeners: Mapping[str, Callable[[Any], Any]] | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        names: Sequence[str] = LOOPBACK_NAMES,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.outputs: dict[int, bytes] = {}
        self._own = _own_files()
        self._files = {**self._own, **files}
        self._listeners = listeners or {}
        self._names = tuple(names)
        self._scheme = "http" if certificate is None else "https"
        self._server = http.server.ThreadingHTTPServer((host, port), self._handler())
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def address(self) -> str:
        """Where the page is, by the first of its names."""
        return f"{self._scheme}://{self._names[0]}:{self._server.server_port}/"

    def serve(self, files: Mapping[str, Path | bytes]) -> None:
        """Serve these in place of the files so far, besides the page and the runtime; what came back is forgotten."""
        self.outputs.clear()
        self._files = {**self._own, **files}

    def __enter__(self) -> PageServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def hosts(self) -> frozenset[str]:
        """What a request may call this server."""
        port = self._server.server_port
        usual = {"http": 80, "https": 443}[self._scheme]
        return frozenset(f"{name}:{port}" for name in self._names) | frozenset(self._names if port == usual else ())

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            # no connection outlives its answer, so a server that has ended answers nothing more
            protocol_version = "HTTP/1.0"

            def parse_request(self) -> bool:
                """Refuses a request under another name than the server's own: a foreign page's, whose name points here."""
                if not super().parse_request():
                    return False
                if self.headers.get("Host") not in server.hosts:
                    self._answer(403, "text/plain", b"not this server")
                    return False
                return True

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
                served = server._files.get(path)
                if served is None:
                    self._answer(404, "text/plain", b"no such file")
                    return
                kind = _TYPES.get(Path(path).suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
                self._answer(200, kind, served if isinstance(served, bytes) else served.read_bytes())

            def do_PUT(self) -> None:
                folder, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
                told = self.headers.get("Content-Length") or "0"
                is_output = folder == "outputs" and name.isascii() and name.isdigit()
                length = int(told) if told.isascii() and told.isdigit() else LARGEST_OUTPUT_BYTES + 1
                if not is_output or length > LARGEST_OUTPUT_BYTES:
                    self._answer(400, "text/plain", b"not an output")
                    return
                server.outputs[int(name)] = self.rfile.read(length)
                self._answer(200, "text/plain", b"")

            def do_POST(self) -> None:
                listener = server._listeners.get(urlsplit(self.path).path.lstrip("/"))
                told = self.headers.get("Content-Length") or "0"
                length = int(told) if told.isascii() and told.isdigit() else _LARGEST_MESSAGE_BYTES + 1
                if listener is None or length > _LARGEST_MESSAGE_BYTES:
                    self._answer(400, "text/plain", b"not understood")
                    return
                try:
                    answer = json.dumps(listener(json.loads(self.rfile.read(length) or b"null"))).encode()
                except (
                    ValueError,
                    KeyError,
                    TypeError,
                    AttributeError,
                ):  # no JSON, or not what the page of this version says
                    self._answer(400, "text/plain", b"not understood")
                    return
                self._answer(200, "application/json", answer)

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the name of the base class
                """Nothing: standard error is for what goes wrong."""

        return Handler


def _own_files() -> dict[str, Path]:
    served = {path.name: path for path in PAGE_FOLDER.iterdir() if path.suffix in _PAGE_SUFFIXES}
    if RUNTIME_FOLDER.is_dir():
        wanted = (path for path in (RUNTIME_FOLDER / "dist").iterdir() if path.suffix in (".mjs", ".wasm"))
        served |= {f"ort/{path.name}": path for path in wanted}
    return served
