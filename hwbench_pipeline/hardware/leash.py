"""Programs that end with who started them.

Belongs here: the command line that does it. Does not belong here: what is started (`firefox`, `bench.backends.web.browser`).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence


def leashed(command: Sequence[str]) -> list[str]:
    """The command as a child that the system kills when its parent ends, however that ends; as it is where Linux's
    setpriv is not there."""
    leash = shutil.which("setpriv") if sys.platform == "linux" else None
    return [*([leash, "--pdeathsig", "KILL"] if leash else []), *command]
