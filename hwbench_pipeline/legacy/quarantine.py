"""The quarantine: the bytes of every file in which something could not be understood, kept once each.

Belongs here: keeping and giving back bytes by their SHA-256, and the kind under which a reason is listed. Does not
belong here: deciding what is put aside (`reading`) or the table of it (`publishing`).

Bytes lie gzip-compressed at `<warehouse>/legacy_quarantine/<first two digits>/<sha256>.gz`. Nothing is ever removed
from there: it may be the last copy.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from hwbench_pipeline.legacy.contents import LARGEST_FILE_BYTES
from hwbench_pipeline.schema.duckdb_sql import identifier
from hwbench_pipeline.schema.tables.legacy import CORE_LEGACY__QUARANTINE
from hwbench_pipeline.warehouse.reading import connect, select_table
from hwbench_pipeline.warehouse.writing import cannot_write, replacing

FOLDER = "legacy_quarantine"
_PIECE_BYTES = 4 * 1024 * 1024
_FASTEST = 1
_CLAUSE_END = re.compile(r"[(:;,]|\. |\.$| expected ")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARTICULAR = re.compile(r"(?<!\S)/\S+|(?<![\w-])\d[\d.]*|(?<==)\S+")
LONGEST_KIND = 80
_LONGEST_NAME_BYTES = 190


@dataclass(frozen=True)
class QuarantinedGroup:
    """What was put aside for one kind of reason: how many places in how many files, and one reason as an example."""

    reason_kind: str
    n_files: int
    n_places: int
    example_path: str
    example_reason: str


@dataclass(frozen=True)
class QuarantinedPlace:
    """One place that was put aside: `pointer` is None for a whole file, `candidates` what the reader saw there."""

    path: str
    pointer: str | None
    sha256: str | None
    reason: str
    candidates: str | None


Outcome = Literal["written", "there", "differs", "damaged"]
"""`there`: it had these bytes before; `differs`: a file of that name has others; `damaged`: what was kept is lost."""


@dataclass(frozen=True)
class Restored:
    """What became of one file that was to be written out: where it was found, where it goes, and how that ended."""

    path: str
    target: Path
    outcome: Outcome

    @property
    def is_whole(self) -> bool:
        """Whether the target holds the file's bytes."""
        return self.outcome in ("written", "there")


def reason_kind(reason: str) -> str:
    """The kind of a reason: what it says first, without quoted texts, paths and numbers, so that like reasons group.

    Of a reason that begins with what was seen, the kind is what was wrong with it.
    """
    seen, *others = _QUOTED.sub("…", reason).split("; ")
    wrong = [clause for clause in others if clause not in ("model …", "hardware …")]
    said = wrong[-1] if seen.startswith("saw ") and wrong else seen
    first = _CLAUSE_END.split(said, maxsplit=1)[0]
    kind = " ".join(_PARTICULAR.sub("…", first).split())
    return kind[:LONGEST_KIND] or "no reason given"


def kept_file(warehouse: Path, sha256: str) -> Path:
    """Where the bytes with this hash are kept, whether they are there or not."""
    return warehouse / relative_kept_file(sha256)


def relative_kept_file(sha256: str) -> str:
    """`kept_file` relative to the warehouse."""
    return f"{FOLDER}/{sha256[:2]}/{sha256}.gz"


def keep_bytes(warehouse: Path, sha256: str, data: bytes | None, path: Path) -> bool:
    """Keep a file's bytes: those given, or where None is given those in the file itself, piece by piece.

    Returns False where the file holds other bytes by now. Bytes that are kept already are not written again. Raises
    `WarehouseError` where the warehouse cannot be written, OSError where the file cannot be read.
    """
    target = kept_file(warehouse, sha256)
    if target.exists():
        return True
    temporary = target.with_name(f".{target.name}.tmp")  # there is one writer at a time
    try:
        if data is not None:
            _write(temporary, gzip.compress(data, _FASTEST, mtime=0))
        elif not _pack(path, temporary, sha256):
            temporary.unlink()
            return False
        temporary.replace(target)
    except OSError as error:
        if error.filename == str(path):
            raise
        raise cannot_write(target, error) from error
    return True


def _write(path: Path, packed: bytes) -> None:
    try:
        path.write_bytes(packed)
    except FileNotFoundError:  # the first one of its folder; asking each time would cost more than the writing
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)


def _pack(path: Path, target: Path, sha256: str) -> bool:
    """Write a file's bytes compressed, never holding all of them. Returns whether they are those of the hash."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file, gzip.GzipFile(target, "wb", compresslevel=_FASTEST, mtime=0) as packed:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            packed.write(piece)
    return digest.hexdigest() == sha256


def kept_bytes(warehouse: Path, sha256: str) -> bytes | None:
    """The bytes that were kept; None where they are not there, are damaged, or are too many to be read."""
    try:
        with gzip.open(kept_file(warehouse, sha256)) as packed:
            data = packed.read(LARGEST_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return None
    if len(data) > LARGEST_FILE_BYTES or hashlib.sha256(data).hexdigest() != sha256:
        return None
    return data


def quarantined_groups(warehouse: Path) -> list[QuarantinedGroup]:
    """What is in quarantine now, by kind of reason, the most frequent first."""
    with connect() as connection:
        sql, _ = select_table(connection, warehouse, CORE_LEGACY__QUARANTINE)
        rows = connection.execute(
            f"SELECT reason_kind, count(DISTINCT path), count(*), min(path), arg_min(reason, path) FROM ({sql}) "
            f"AS {identifier(CORE_LEGACY__QUARANTINE.name)} GROUP BY reason_kind ORDER BY 3 DESC, 1"
        ).fetchall()
    return [QuarantinedGroup(*row) for row in rows]


def quarantined_places(warehouse: Path, reason: str | None = None) -> list[QuarantinedPlace]:
    """Every place in quarantine now, or those with this text in their reason or its kind (whatever its case), by path."""
    with connect() as connection:
        sql, _ = select_table(connection, warehouse, CORE_LEGACY__QUARANTINE)
        rows = connection.execute(
            f"SELECT path, pointer, sha256, reason, candidates FROM ({sql}) AS {identifier(CORE_LEGACY__QUARANTINE.name)} "
            "WHERE $reason IS NULL OR contains(lower(reason), lower($reason)) OR contains(lower(reason_kind), lower($reason)) "
            "ORDER BY path, place",
            {"reason": reason},
        ).fetchall()
    return [QuarantinedPlace(*row) for row in rows]


def restore_bytes(warehouse: Path, places: Iterable[QuarantinedPlace], folder: Path) -> list[Restored]:
    """Write the kept bytes of the places' files into a folder, each as `<first digits of its SHA-256>-<its name>`.

    Of a name that would get too long the end is taken. Returns what became of each file, once each; one that had no bytes
    to keep is not among them. Nothing is overwritten, and no file keeps another from being written. Raises
    `WarehouseError` where the folder cannot be written.
    """
    restored: dict[Path, Restored] = {}
    for place in places:
        if place.sha256 is None:
            continue
        name = PurePosixPath(place.path).name.encode()[-_LONGEST_NAME_BYTES:].decode(errors="ignore")
        target = folder / f"{place.sha256[:12]}-{name}"
        if target not in restored:
            restored[target] = Restored(place.path, target, _restore(warehouse, place.sha256, target))
    return list(restored.values())


def _restore(warehouse: Path, sha256: str, target: Path) -> Outcome:
    if os.path.lexists(target):
        return "there" if _digest_of(target) == sha256 else "differs"
    try:
        with replacing(target, "--restore") as temporary:
            _copy_checked(kept_file(warehouse, sha256), temporary, sha256)
    except _DamagedError:
        return "damaged"
    return "written"


class _DamagedError(Exception):
    """What was kept is not there, cannot be read, or is not what was to be kept."""


def _digest_of(path: Path) -> str | None:
    """The SHA-256 of a file; None for what is no file or cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _copy_checked(kept: Path, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for piece in _pieces_of(kept):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != sha256:
        raise _DamagedError


def _pieces_of(kept: Path) -> Iterator[bytes]:
    """The bytes that were kept, piece by piece. Whatever keeps them from being read is told apart from failing to write."""
    try:
        with gzip.open(kept) as packed:
            while piece := packed.read(_PIECE_BYTES):
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise _DamagedError from error
