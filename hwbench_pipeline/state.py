"""Where hwbench remembers what it found out about this machine. Belongs here: the folder. Not: what is kept in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATE_VARIABLE = "HWBENCH_STATE"
"""Environment variable that names another folder for what hwbench remembers of this machine."""


def state_folder() -> Path:
    """Where hwbench remembers what it found out about this machine: HWBENCH_STATE, else the user's state folder."""
    chosen = os.environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "hwbench"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hwbench"
