"""Finding what the web platforms need on this machine: a browser (Chrome, Chromium, Edge, Firefox), and the runtime that
its page loads.

Belongs here: where they lie, and what the name of a browser's adapter says. Does not belong here: asking a browser what it
can do (`web_questions`), or speaking with one (Playwright for those of Chromium, `firefox` for Firefox).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BROWSER_VARIABLE = "HWBENCH_BROWSER"
"""Environment variable that names the executable of the browser to measure in."""
FIREFOX_VARIABLE = "HWBENCH_FIREFOX"
"""Environment variable that names Firefox's executable, for what is told of each browser."""

_NAMES_ON_PATH = (
    "google-chrome",
    "google-chrome-stable",
    "chromium",
    "chromium-browser",
    "microsoft-edge",
    "microsoft-edge-stable",
    "chrome",
    "msedge",
)
_MACOS_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_LINUX_PLACES = (
    "/opt/google/chrome/chrome",
    "/usr/lib/chromium/chromium",
    "/snap/bin/chromium",
    "/opt/microsoft/msedge/msedge",
)
_WINDOWS_FOLDERS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
_WINDOWS_PLACES = (
    r"Google\Chrome\Application\chrome.exe",
    r"Chromium\Application\chrome.exe",
    r"Microsoft\Edge\Application\msedge.exe",
)

_FIREFOX_NAMES_ON_PATH = ("firefox", "firefox-esr")
_FIREFOX_MACOS_PLACES = ("/Applications/Firefox.app/Contents/MacOS/firefox",)
_FIREFOX_LINUX_PLACES = (
    "/usr/lib/firefox/firefox",
    "/usr/lib/firefox-esr/firefox-esr",
    "/opt/firefox/firefox",
    "/snap/bin/firefox",
)
_FIREFOX_WINDOWS_PLACES = (r"Mozilla Firefox\firefox.exe",)

_SOFTWARE_ADAPTERS = {
    "swiftshader": "SwiftShader",
    "llvmpipe": "llvmpipe",
    "lavapipe": "lavapipe",
    "basic render": "Microsoft Basic Render Driver",
}
"""By what an adapter says of itself, the software that it is."""

_ADAPTER_NAMES = ("vendor", "architecture", "device", "description")
UNNAMED_ADAPTER = (
    "the browser offers a WebGPU adapter, but its adapter tells neither vendor, architecture, device nor description: nobody "
    f"could say what a number from it is of. Fix: set {BROWSER_VARIABLE} to a browser whose adapter tells its name"
)
"""Why nothing is measured on an adapter that does not tell what it is."""

PAGE_FOLDER = Path(__file__).parents[1] / "bench" / "backends" / "web" / "page"
"""The measuring page, and what npm puts beside it."""
RUNTIME_FOLDER = PAGE_FOLDER / "node_modules" / "onnxruntime-web"
RUNTIME_FIX = f"npm ci --prefix {PAGE_FOLDER}"
WEBNN_BROWSER_FOLDER = PAGE_FOLDER.parent / "webnn_browser" / "unpacked"
"""Where `make webnn` unpacks a Chromium that is built with WebNN, which Debian's is not."""


class BrowserSettingError(ValueError):
    """An environment variable names something that cannot be started as the browser that it stands for."""

    def __init__(self, variable: str, message: str) -> None:
        self.variable = variable
        super().__init__(message)


def find_browser() -> Path | None:
    """The browser to use: HWBENCH_BROWSER, else one of Chromium's: a known name on PATH, else a known place; None if
    there is none.

    Raises `BrowserSettingError` if HWBENCH_BROWSER is set and is no executable file: another browser than the one
    that was asked for would be measured in silence.
    """
    return _set_by(BROWSER_VARIABLE, "a Chrome, Chromium, Edge or Firefox executable") or _found(
        _NAMES_ON_PATH, _known_places()
    )


def find_firefox() -> Path | None:
    """The Firefox to use: HWBENCH_FIREFOX, else a known name on PATH, else a known place; None if there is none.

    Raises `BrowserSettingError` if HWBENCH_FIREFOX is set and is no executable file, or not Firefox's.
    """
    kind = "a Firefox executable"
    chosen = _set_by(FIREFOX_VARIABLE, kind)
    if chosen is not None and not is_firefox(chosen):
        raise BrowserSettingError(
            FIREFOX_VARIABLE,
            f"{FIREFOX_VARIABLE}={chosen} is not Firefox: neither its name nor an application.ini beside it says so; "
            f"expected the path of {kind}. Fix: correct it, or set {BROWSER_VARIABLE} for another browser.",
        )
    return chosen or _found(_FIREFOX_NAMES_ON_PATH, _known_firefox_places())


def is_firefox(browser: Path) -> bool:
    """Whether an executable is Firefox's, by its name or by the `application.ini` that lies beside every build of it."""
    real = browser.resolve()  # Debian's firefox-esr is a link; snap's firefox links to a program of another name
    if any("firefox" in path.name.lower() for path in (browser, real)):
        return True
    folders = (real.parent, real.parent.parent / "Resources")  # the second on macOS
    return any((folder / "application.ini").is_file() for folder in folders)


def installed_browsers() -> list[Path]:
    """Every browser that hwbench can ask, each once: the one to measure in first, then others of Chromium, Firefox last.

    Raises `BrowserSettingError`.
    """
    usual, firefox = find_browser(), find_firefox()
    if usual is not None and is_firefox(usual) and not os.environ.get(FIREFOX_VARIABLE):
        firefox = None  # Debian has a script of another name beside it
    on_path = [Path(found) for name in _NAMES_ON_PATH if (found := shutil.which(name))]
    others = on_path or [place for place in _known_places() if _is_executable(place)]
    built = WEBNN_BROWSER_FOLDER / "chromium"
    candidates = [usual, *others, built if _is_executable(built) else None, firefox]
    return list({browser.resolve(): browser for browser in reversed(candidates) if browser is not None}.values())[::-1]


def browser_built_with_webnn() -> Path | None:
    """The browser of `make webnn`; None where it is not installed, or HWBENCH_BROWSER chose another."""
    place = WEBNN_BROWSER_FOLDER / "chromium"
    return None if os.environ.get(BROWSER_VARIABLE) or not _is_executable(place) else place


def web_runtime_version() -> str | None:
    """The version of the onnxruntime-web that the page loads; None where npm has not installed it."""
    try:
        described = json.loads((RUNTIME_FOLDER / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    version = described.get("version") if isinstance(described, dict) else None
    return version if isinstance(version, str) else None


def adapter_names_itself(adapter: Mapping[str, Any]) -> bool:
    """Whether a WebGPU adapter tells what it is. Where it does not, its numbers could be told of nothing."""
    return any(adapter.get(name) for name in _ADAPTER_NAMES)


def adapter_words(adapter: Mapping[str, Any]) -> str:
    """What a WebGPU adapter says of itself, in its own words."""
    told = [str(adapter[name]) for name in _ADAPTER_NAMES if adapter.get(name)]
    return " ".join(told) or "an adapter without a name"


def adapter_name(adapter: Mapping[str, Any]) -> str:
    """What a WebGPU adapter is called: as it says, or the software's own name with `(CPU)` where it is software."""
    name = adapter_words(adapter)
    if not is_software_adapter(adapter):
        return name
    software = next((title for mark, title in _SOFTWARE_ADAPTERS.items() if mark in name.lower()), name)
    return f"{software} (CPU)"


def is_software_adapter(adapter: Mapping[str, Any]) -> bool:
    """Whether a WebGPU adapter's `info` is that of software on the CPU: it says so itself, or bears such a software's name."""
    words = adapter_words(adapter).lower()
    return bool(adapter.get("is_fallback")) or any(name in words for name in _SOFTWARE_ADAPTERS)


def _set_by(variable: str, kind: str) -> Path | None:
    chosen = os.environ.get(variable)
    if not chosen:
        return None
    if not _is_executable(Path(chosen)):
        raise BrowserSettingError(
            variable,
            f"{variable}={chosen} is not an executable file; expected the path of {kind}. Fix: correct it, or unset it to "
            "search the usual places.",
        )
    return Path(chosen)


def _found(names: Sequence[str], places: Sequence[Path]) -> Path | None:
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    return next((place for place in places if _is_executable(place)), None)


def _known_places() -> list[Path]:
    return _places_here(_LINUX_PLACES, _MACOS_PLACES, _WINDOWS_PLACES)


def _known_firefox_places() -> list[Path]:
    return _places_here(_FIREFOX_LINUX_PLACES, _FIREFOX_MACOS_PLACES, _FIREFOX_WINDOWS_PLACES)


def _places_here(linux: Sequence[str], macos: Sequence[str], windows: Sequence[str]) -> list[Path]:
    if sys.platform == "win32":
        folders = [os.environ[name] for name in _WINDOWS_FOLDERS if os.environ.get(name)]
        return [Path(folder) / place for folder in folders for place in windows]
    return [Path(place) for place in (macos if sys.platform == "darwin" else linux)]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
