"""Finding what the web platforms need on this machine: a Chromium-based browser (Chrome, Chromium, Edge), and the runtime
that its page loads.

Belongs here: where they lie, and what the name of a browser's adapter says. Does not belong here: asking a browser what it
can do (`web_questions`), and other browsers: Playwright drives only Chromium-based ones that it did not install itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BROWSER_VARIABLE = "HWBENCH_BROWSER"
"""Environment variable that names the browser's executable."""

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


_SOFTWARE_ADAPTERS = {
    "swiftshader": "SwiftShader",
    "llvmpipe": "llvmpipe",
    "lavapipe": "lavapipe",
    "basic render": "Microsoft Basic Render Driver",
}
"""By what an adapter says of itself, the software that it is."""

PAGE_FOLDER = Path(__file__).parents[1] / "bench" / "backends" / "web" / "page"
"""The measuring page, and what npm puts beside it."""
RUNTIME_FOLDER = PAGE_FOLDER / "node_modules" / "onnxruntime-web"
RUNTIME_FIX = f"npm ci --prefix {PAGE_FOLDER}"
WEBNN_BROWSER_FOLDER = PAGE_FOLDER.parent / "webnn_browser" / "unpacked"
"""Where `make webnn` unpacks a Chromium that is built with WebNN, which Debian's is not."""


class BrowserSettingError(ValueError):
    """HWBENCH_BROWSER names something that cannot be started."""


def find_browser() -> Path | None:
    """The browser to use: HWBENCH_BROWSER, else a known name on PATH, else a known place; None if there is none.

    Raises `BrowserSettingError` if HWBENCH_BROWSER is set and is no executable file: another browser than the one
    that was asked for would be measured in silence.
    """
    chosen = os.environ.get(BROWSER_VARIABLE)
    if chosen:
        if not _is_executable(Path(chosen)):
            raise BrowserSettingError(
                f"{BROWSER_VARIABLE}={chosen} is not an executable file; expected the path of a Chrome, Chromium or "
                "Edge executable. Fix: correct it, or unset it to search the usual places."
            )
        return Path(chosen)
    for name in _NAMES_ON_PATH:
        found = shutil.which(name)
        if found:
            return Path(found)
    return next((place for place in _known_places() if _is_executable(place)), None)


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


def adapter_words(adapter: Mapping[str, Any]) -> str:
    """What a WebGPU adapter says of itself, in its own words."""
    told = [str(adapter[name]) for name in ("vendor", "architecture", "device", "description") if adapter.get(name)]
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


def _known_places() -> list[Path]:
    if sys.platform == "win32":
        folders = [os.environ[name] for name in _WINDOWS_FOLDERS if os.environ.get(name)]
        return [Path(folder) / place for folder in folders for place in _WINDOWS_PLACES]
    if sys.platform == "darwin":
        return [Path(place) for place in _MACOS_PLACES]
    return [Path(place) for place in _LINUX_PLACES]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
