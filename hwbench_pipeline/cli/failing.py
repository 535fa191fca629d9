"""From an exception to one line and an exit code.

Belongs here: which errors are the caller's (2) and which the work's (1). Does not belong here: the messages of our
own errors, which name the input and the fix where they are raised.
"""

from __future__ import annotations

import os
import traceback

WORK_FAILED = 1
WRONG_CALL = 2

TRACEBACK_VARIABLE = "HWBENCH_TRACEBACK"

# our own errors, by name, so that no verb imports the package of another; the value is the exit code
_OWN_ERRORS = {
    "UnknownModelError": WRONG_CALL,
    "CheckpointError": WRONG_CALL,
    "RegistrationError": WRONG_CALL,
    "UnknownHardwareError": WRONG_CALL,
    "InvalidKeyError": WRONG_CALL,
    "QueryError": WRONG_CALL,
    "UnknownBatchError": WRONG_CALL,
    "UnknownSeriesError": WRONG_CALL,
    "WarehouseError": WORK_FAILED,
    "SchemaError": WORK_FAILED,
    "HostLockError": WORK_FAILED,
    "HostBusyError": WORK_FAILED,
    "IsolationError": WORK_FAILED,
    "BrowserSettingError": WRONG_CALL,
    "StoreSettingError": WRONG_CALL,
    "DemoError": WORK_FAILED,
    "ServingError": WORK_FAILED,
    "ExportError": WORK_FAILED,
    "PredictorFileError": WORK_FAILED,
    "NotEnoughEvidenceError": WORK_FAILED,
    "NotificationError": WORK_FAILED,
}


class WrongCallError(Exception):
    """The call cannot be carried out as given; the message names the option, what it takes, and the fix."""


def failure_of(error: Exception) -> tuple[str, int]:
    """One line for people, and the exit code."""
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, WrongCallError):
        return text, WRONG_CALL
    if name in _OWN_ERRORS:
        return text, _OWN_ERRORS[name]
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("hwbench_pipeline"):
        return (
            f"the package {error.name} is not installed: this verb needs more than the base install. "
            "Fix: pip install 'hwbench-pipeline[pipeline]'",
            WORK_FAILED,
        )
    if isinstance(error, FileNotFoundError):
        return text if "Fix:" in text else f"{text}. Fix: check the path", WRONG_CALL
    if isinstance(error, PermissionError):
        return f"no permission: {text}. Fix: make it readable for this user, or name another path", WORK_FAILED
    return (
        f"unexpected {name}: {text}. Fix: this is a fault of hwbench; {TRACEBACK_VARIABLE}=1 shows where, for a report",
        WORK_FAILED,
    )
