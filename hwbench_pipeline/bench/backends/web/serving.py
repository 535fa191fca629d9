"""The local server of a measuring page: the page, the runtime, one model with its inputs, and the outputs that come back.

Belongs here: bytes and headers. The page is cross-origin isolated by its headers, without which a browser gives neither a
precise clock nor threads. Nothing is served but what the server was told to serve, and only on the loopback interface.
"""

from __future__ import annotations

import http.server
import mimetypes
import threading
from collections.abc import Mapping
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


class PageServer:
    """A server for one page, from `with` to its end.

    `files` are served by the URL path they have here; `outputs` are what the page sent back, by their number.
    """

    def __init__(self, files: Mapping[str, Path | bytes]) -> None:
        self.outputs: dict[int, bytes] = {}
        self._files = {**_own_files(), **files}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> PageServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        files, outputs, server = self._files, self.outputs, self

        class Handler(http.server.BaseHTTPRequestHandler):
            # no connection outlives its answer, so a server that has ended answers nothing more
            protocol_version = "HTTP/1.0"

            def parse_request(self) -> bool:
                """Refuses a request under another name than the server's own: a foreign page's, whose name points here."""
                if not super().parse_request():
                    return False
                if self.headers.get("Host") != urlsplit(server.address).netloc:
                    self._answer(403, "text/plain", b"not this server")
                    return False
                return True

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
                served = files.get(path)
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
                outputs[int(name)] = self.rfile.read(length)
                self._answer(200, "text/plain", b"")

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
