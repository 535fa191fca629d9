"""Finding a Chromium-based browser on this machine (Chrome, Chromium, Edge).

Belongs here: where browsers lie. Does not belong here: asking one what it can do (`web_questions`), and other
browsers: Playwright drives only Chromium-based ones that it did not install itself.
"""

from __future__ import annotations

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


_SOFTWARE_ADAPTERS = ("swiftshader", "llvmpipe", "lavapipe", "basic render")


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


def is_software_adapter(adapter: Mapping[str, Any]) -> bool:
    """Whether a WebGPU adapter's `info` is that of software on the CPU: it says so itself, or bears such a software's name."""
    told = " ".join(str(adapter.get(name) or "") for name in ("vendor", "architecture", "device", "description"))
    return bool(adapter.get("is_fallback")) or any(name in told.lower() for name in _SOFTWARE_ADAPTERS)


def _known_places() -> list[Path]:
    if sys.platform == "win32":
        folders = [os.environ[name] for name in _WINDOWS_FOLDERS if os.environ.get(name)]
        return [Path(folder) / place for folder in folders for place in _WINDOWS_PLACES]
    if sys.platform == "darwin":
        return [Path(place) for place in _MACOS_PLACES]
    return [Path(place) for place in _LINUX_PLACES]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
