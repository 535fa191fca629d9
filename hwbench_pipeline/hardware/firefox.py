"""A headless Firefox with one page, started and spoken to by WebDriver BiDi (https://w3c.github.io/webdriver-bidi).

Belongs here: the process with its throw-away profile, the commands, and how its deaths are told apart. Does not belong here:
what the page is asked (`web_questions`, `bench.backends.web`), or where Firefox lies (`browsers`).

Why not Playwright, as for Chromium: it drives only a Firefox that was changed for it, and what people have is the stock one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hwbench_pipeline.hardware.leash import leashed

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

START_TIMEOUT_S = 30.0
"""For the browser to start and a page to load."""

_PREFERENCES: Mapping[str, bool | int] = {
    # Firefox on Linux keeps WebGPU behind both
    "dom.webgpu.enabled": True,
    "gfx.webgpu.ignore-blocklist": True,
    # the page's clock, which is coarse to 20 µs without these two
    "privacy.reduceTimerPrecision": False,
    "privacy.reduceTimerPrecision.unconditional": False,
    # nothing works beside the page while it is timed, and a page that died is not opened again
    "browser.newtab.preload": False,
    "dom.ipc.processPrelaunch.enabled": False,
    "browser.sessionstore.resume_from_crash": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
}
_ENVIRONMENT = {"MOZ_CRASHREPORTER_DISABLE": "1"}
_LISTENING = "WebDriverBiDiServer.json"
"""The file of a profile in which Firefox tells where it listens."""
_POLL_S = 0.05
_CLOSE_TIMEOUT_S = 2.0

_ADAPTER = """async () => {
  const adapter = await window.navigator.gpu?.requestAdapter({powerPreference: "high-performance"});
  if (!adapter) return null;
  const {info} = adapter, limits = {};
  for (const name in adapter.limits) limits[name] = adapter.limits[name];
  return {
    told: JSON.stringify([limits, [...adapter.features].sort(), info.subgroupMinSize, info.subgroupMaxSize,
      info.isFallbackAdapter]),
    name: info.wgpuName ?? "", driver: `${info.wgpuDriver ?? ""} ${info.wgpuDriverInfo ?? ""}`.trim(),
    type: info.wgpuDeviceType ?? "", backend: info.wgpuBackend ?? "",
  };
}"""
"""What an adapter tells of itself; its names only to Firefox's own windows."""
_PROCESS_OF_PAGE = "() => window.gBrowser.selectedBrowser.frameLoader.remoteTab?.osPid ?? null"
_CPU_TYPE = "Cpu"


class FirefoxError(Exception):
    """Firefox did not start, its page did not load, or it refused a command."""


class FirefoxEndedError(FirefoxError):
    """Firefox itself is gone."""


class PageGoneError(FirefoxError):
    """The page is gone, and with it the process that it lived in."""


class PageCodeError(FirefoxError):
    """What a page's own code raised."""


class Firefox:
    """A Firefox with one page, from `with` to its end. What the page logs stands in `console`."""

    def __init__(self, executable: Path, environment: Mapping[str, str] | None = None) -> None:
        self.console: list[str] = []
        self.version = ""
        self.page_pid: int | None = None
        self._executable = executable
        self._environment = {**os.environ, **_ENVIRONMENT, **(environment or {})}
        self._realm = ""
        self._n_commands = 0
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Firefox:
        """Raises `FirefoxError`, and ImportError without websockets."""
        from websockets.exceptions import WebSocketException

        try:
            self._start()
        except (OSError, WebSocketException) as error:
            self._open.close()
            raise FirefoxError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def _start(self) -> None:
        from websockets.sync.client import connect

        place = self._open.enter_context(
            tempfile.TemporaryDirectory(prefix="hwbench-browser-", ignore_cleanup_errors=True)
        )
        self._folder = Path(place)
        profile = self._folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        command = [str(self._executable), "--headless", "--no-remote", "--profile", str(profile)]
        # system access, which lets it ask Firefox's own window for the adapter's name and the page's process
        command += ["--remote-debugging-port", "0", "--remote-allow-system-access", "about:blank"]
        with (self._folder / "stderr.txt").open("wb") as log:
            self._process = subprocess.Popen(
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**self._environment, "XDG_CACHE_HOME": str(self._folder / "cache")},
            )
        self._open.callback(self._kill)
        address = self._address(profile / _LISTENING)
        # no pings: a page that keeps all cores busy would be taken for dead
        self._socket: ClientConnection = self._open.enter_context(
            connect(
                f"{address}/session",
                max_size=None,
                ping_interval=None,
                proxy=None,
                open_timeout=START_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
            )
        )
        session = self._command("session.new", {"capabilities": {}}, START_TIMEOUT_S)
        self.version = str(session["capabilities"]["browserVersion"])
        self._command("session.subscribe", {"events": ["log.entryAdded"]}, START_TIMEOUT_S)
        self._page = self._contexts("content")[0]["context"]
        # an older Firefox, which knows no `moz:scope`, tells of no windows of its own
        windows = [found for found in self._contexts("chrome") if found.get("moz:scope") == "chrome"]
        self._window: str | None = windows[0]["context"] if windows else None

    def open(self, address: str) -> None:
        """Load a page and wait until it is complete. Raises `FirefoxError`."""
        asked = {"context": self._page, "url": address, "wait": "complete"}
        self._command("browsingContext.navigate", asked, START_TIMEOUT_S)
        realms = self._command("script.getRealms", {"context": self._page, "type": "window"}, START_TIMEOUT_S)["realms"]
        # a realm ends with its page: of a page that died, Firefox would run a function in what it shows in its place
        self._realm = realms[0]["realm"]
        self.page_pid = self._asked_of_window(_PROCESS_OF_PAGE)

    def call(self, function: str, argument: object = None, *, timeout_s: float | None = None) -> Any:
        """What a JavaScript function gives in the page; argument and answer travel as JSON.

        Raises `PageCodeError` with what it threw, `PageGoneError`, `FirefoxEndedError`.
        """
        return self._called({"realm": self._realm}, function, argument, timeout_s)

    def named_adapter(self) -> dict[str, str] | None:
        """The names of the page's WebGPU adapter, which Firefox tells its own window and no page; None where there is
        no adapter, or the window's differs from the page's in anything that both are told.
        """
        of_page = self.call(_ADAPTER, timeout_s=START_TIMEOUT_S)
        of_window = self._asked_of_window(_ADAPTER)
        if of_page is None or of_window is None or of_page["told"] != of_window["told"]:
            return None
        return {name: of_window[name] for name in ("name", "driver", "type", "backend")}

    def processes(self) -> list[psutil.Process]:
        """All of its processes."""
        with contextlib.suppress(psutil.Error):
            browser = psutil.Process(self._process.pid)
            return [browser, *browser.children(recursive=True)]
        return []

    def log(self) -> list[str]:
        """The lines of its standard error."""
        with contextlib.suppress(OSError):
            return (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        return []

    def exit_status(self) -> int | None:
        """What the browser ended with, a signal as a negative number; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_CLOSE_TIMEOUT_S)
        return None

    def _address(self, told: Path) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not there yet, or half written
                where = json.loads(told.read_text(encoding="utf-8"))
                return f"ws://{where['ws_host']}:{int(where['ws_port'])}"
            if self._process.poll() is not None:
                said = next((line for line in reversed(self.log()) if line.strip()), "it said nothing")
                raise FirefoxError(f"it ended with exit status {self._process.returncode} before it listened: {said}")
            time.sleep(_POLL_S)
        raise FirefoxError(f"it did not listen for WebDriver BiDi within {START_TIMEOUT_S:g} s")

    def _contexts(self, scope: str) -> list[dict[str, Any]]:
        asked = {"maxDepth": 0, "moz:scope": scope}
        contexts: list[dict[str, Any]] = self._command("browsingContext.getTree", asked, START_TIMEOUT_S)["contexts"]
        return contexts

    def _asked_of_window(self, function: str) -> Any:
        """What a function gives in Firefox's own window; None where nobody may ask it."""
        if self._window is None:
            return None
        return self._called({"context": self._window}, function, None, START_TIMEOUT_S)

    def _called(self, target: Mapping[str, str], function: str, argument: object, timeout_s: float | None) -> Any:
        asked = {
            "functionDeclaration": f"async (given) => JSON.stringify(await ({function})(JSON.parse(given)))",
            "arguments": [{"type": "string", "value": json.dumps(argument)}],
            "awaitPromise": True,
            "target": target,
        }
        answer = self._command("script.callFunction", asked, timeout_s)
        if answer["type"] == "exception":
            raise PageCodeError(str(answer["exceptionDetails"]["text"]))
        text = answer["result"].get("value")  # a function that gives nothing gives no text
        return None if text is None else json.loads(text)

    def _command(self, method: str, given: Mapping[str, Any], timeout_s: float | None) -> dict[str, Any]:
        from websockets.exceptions import ConnectionClosed

        self._n_commands += 1
        number = self._n_commands
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            self._socket.send(json.dumps({"id": number, "method": method, "params": dict(given)}))
            while True:
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                told = json.loads(self._socket.recv(timeout=left))
                if told.get("method") == "log.entryAdded":
                    self.console.append(str(told["params"].get("text")))
                if told.get("id") == number:
                    break
        except TimeoutError:
            raise FirefoxError(f"{method}: no answer within {timeout_s:g} s") from None
        except ConnectionClosed as error:
            raise FirefoxEndedError(f"{method}: Firefox is gone") from error
        if told["type"] == "error":
            kind = PageGoneError if told["error"] == "no such frame" else FirefoxError
            raise kind(f"{method}: {told['error']}: {told['message']}")
        result: dict[str, Any] = told["result"]
        return result

    def _kill(self) -> None:
        """End it with all of its processes: the profile is thrown away, so nothing of it need be saved."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.kill()
        self._process.wait()


def with_names(adapter: Mapping[str, Any], named: Mapping[str, str] | None) -> dict[str, Any]:
    """A page's adapter with the names that Firefox gives it, under the keys of other browsers' adapters."""
    if named is None:
        return dict(adapter)
    return {
        **adapter,
        "description": adapter.get("description") or named["name"],
        "driver": named["driver"],
        "backend": named["backend"],
        "is_fallback": bool(adapter.get("is_fallback")) or named["type"] == _CPU_TYPE,
        "named_by": "Firefox's own window, whose adapter equals the page's in limits and features",
    }
