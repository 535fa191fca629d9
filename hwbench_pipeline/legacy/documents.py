"""From the bytes of a file to a JSON document, or the reason why there is none.

Belongs here: decoding, parsing and telling formats apart by their bytes. Does not belong here: finding files
(`finding`) or what a document means (`shapes/`).
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_FILE_BYTES = 256 * 1024 * 1024
_CONFLICT = re.compile(r"^<{7} .*^={7}\s*$.*^>{7} ", re.MULTILINE | re.DOTALL)


class UnreadableDocumentError(ValueError):
    """A file that gives no JSON document; the message says what was found, what was expected, and the fix.

    `is_foreign` is True where the file is readable text of another kind (code, prose), which is no broken result.
    """

    def __init__(self, message: str, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.is_foreign = is_foreign


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file with their SHA-256; `problem` says why there are none."""

    data: bytes | None
    sha256: str | None
    problem: str | None = None


def read_content(path: Path) -> FileContent:
    """The bytes of a regular file. Never raises: what the system refuses is in `problem`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return FileContent(
                None,
                None,
                f"{_kind_of(status.st_mode)}, expected a regular file. Fix: correct its permissions, or leave it out",
            )
        if status.st_size > LARGEST_FILE_BYTES:
            return FileContent(
                None,
                None,
                f"{status.st_size} bytes, expected at most {LARGEST_FILE_BYTES}. Fix: split it into one file per run",
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return FileContent(
            None, None, f"cannot be read: {reason}, expected a readable file. Fix: correct its permissions or the link"
        )
    return FileContent(data, hashlib.sha256(data).hexdigest())


def _kind_of(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder that cannot be listed"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
    )
    return next((name for test, name in kinds if test(mode)), "a special file")


def parse_document(data: bytes, name: str) -> Any:
    """The JSON document in the bytes of a file called `name`.

    NaN and Infinity, which Python's writer emits, are taken and mean that there is no number. Raises
    UnreadableDocumentError for anything that is not exactly one JSON document in UTF-8.
    """
    if not data.strip():
        raise UnreadableDocumentError("an empty file, expected one JSON document. Fix: run what wrote it again")
    other = _other_format(data)
    if other:
        raise UnreadableDocumentError(
            f"{other}, a format that is not read yet; expected JSON. Fix: export its result tables as JSON"
        )
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError(
            f"not UTF-8 (byte {error.start}), expected JSON in UTF-8. Fix: convert it, e.g. with iconv"
        ) from None
    if _CONFLICT.search(content):
        raise UnreadableDocumentError(
            "git conflict markers, expected one JSON document. Fix: resolve the conflict, keeping one side"
        )
    try:
        return json.loads(content, object_pairs_hook=_object_without_repeats)
    except json.JSONDecodeError as error:
        raise _broken_json(error, content, name) from None
    except RecursionError:
        raise UnreadableDocumentError(
            "nested too deep, expected a document of some hundred levels at most. Fix: flatten it"
        ) from None
    except ValueError as error:  # also a number with too many digits
        raise UnreadableDocumentError(
            f"not usable JSON: {error}; expected one value per key and ordinary numbers. Fix: correct it by hand"
        ) from None


class _RepeatedKeyError(ValueError):
    """An object that gives one key two values, so that one of them would be lost."""


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RepeatedKeyError(f"the key {repeated!r:.80} stands twice in one object")
    return members


def _other_format(data: bytes) -> str | None:
    if data[:4] == b"PAR1":
        return "a Parquet file"
    if data[8:12] == b"DUCK":
        return "a DuckDB database"
    if data[:16] == b"SQLite format 3\0":
        return "an SQLite database"
    return None


def _looks_like_csv(content: str) -> bool:
    lines = content.splitlines()[:5]
    commas = [line.count(",") for line in lines if line.strip()]
    return len(commas) > 1 and commas[0] > 0 and '"' not in lines[0].split(",")[0] and min(commas) >= commas[0]


def _broken_json(error: json.JSONDecodeError, content: str, name: str) -> UnreadableDocumentError:
    starts_like_json = content.lstrip()[:1] in ("{", "[")
    if not starts_like_json and _looks_like_csv(content):
        return UnreadableDocumentError(
            "a CSV table, a format that is not read yet; expected JSON. Fix: export it as JSON"
        )
    if not starts_like_json and not name.lower().endswith(".json"):
        return UnreadableDocumentError(
            "text of another kind, not a result format; expected JSON. Fix: none needed if it holds no results",
            is_foreign=True,
        )
    place = f"line {error.lineno} column {error.colno}"
    if error.msg == "Extra data":
        return UnreadableDocumentError(
            f"more than one JSON document (the second begins at {place}), expected exactly one. "
            "Fix: put the documents into a list or separate files"
        )
    is_cut = error.pos >= len(content.rstrip()) or error.msg.startswith("Unterminated string")
    what = "truncated JSON" if starts_like_json and is_cut else "not valid JSON"
    return UnreadableDocumentError(
        f"{what}: {error.msg} at {place}, expected one JSON document. Fix: restore the file from its writer or backup"
    )
