"""From the bytes of a file to a document, or the reason why there is none.

Every format becomes what JSON can hold, so that shapes see one model and a JSON pointer names any place: a table is a
list of row objects (`/12`), a DuckDB database an object of tables (`/performance_results/12`), JSON lines a list of
documents (`/3`). Belongs here: telling formats apart by their bytes, decoding, and JSON. Does not belong here: tables
in text (`tabular`), Parquet and DuckDB (`columnar`), finding files (`finding`) or what a document means (`shapes/`).
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

from hwbench_pipeline.legacy.columnar import parse_duckdb, parse_parquet
from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError
from hwbench_pipeline.legacy.tabular import looks_like_table, parse_table

__all__ = ["UnreadableDocumentError", "decoded_text", "has_wide_mark", "parse_document"]

MOST_CONTAINERS = 1_000_000
"""Objects and lists in a document. Each takes 70 to 370 bytes whatever it holds, so that bytes alone bound too little."""
_CONFLICT = re.compile(r"^<{7} .*^={7}\s*$.*^>{7} ", re.MULTILINE | re.DOTALL)
# `[2024-01-02 10:00:00] INFO …`: what stands in the brackets is no list, and text follows it on its line
_LOG_LINE = re.compile(r"\s*\[[^\[\]{}\"\n]{1,80}\][ \t:]*[^\s,\]}\[]")
_BYTE_ORDER_MARKS = (  # the longer first: a UTF-32 mark begins with a UTF-16 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def parse_document(data: bytes, name: str) -> Any:
    """The document in the bytes of a file called `name`: JSON, JSON lines, CSV, TSV, Parquet or DuckDB.

    NaN and Infinity, which Python's writer emits, are taken and mean that there is no number. Raises
    UnreadableDocumentError for anything else, and for what is broken or would lose a value.
    """
    if data[:4] == b"PAR1":
        return parse_parquet(data)
    if data[8:12] == b"DUCK":
        return parse_duckdb(data)
    if data[:16] == b"SQLite format 3\0":
        raise UnreadableDocumentError(
            "an SQLite database, which may hold results; expected JSON, CSV, Parquet or DuckDB. "
            "Fix: export its result tables as CSV"
        )
    content = decoded_text(data)
    if not content or content.isspace():
        raise UnreadableDocumentError("an empty file, expected one document. Fix: run what wrote it again")
    _require_size(content)
    try:
        return _DECODER.decode(content)
    except json.JSONDecodeError as error:
        return _not_one_json(error, content, name)
    except RecursionError:
        raise UnreadableDocumentError(
            "nested too deep, expected a document of some hundred levels at most. Fix: flatten it"
        ) from None
    except ValueError as error:  # also a number with too many digits
        raise _unusable(error) from None


def has_wide_mark(data: bytes) -> bool:
    """Whether the bytes begin with the mark of UTF-16 or UTF-32."""
    return data.startswith(tuple(mark for mark, _ in _BYTE_ORDER_MARKS))


def decoded_text(data: bytes) -> str:
    """The text in some bytes: UTF-8, or UTF-16 and UTF-32 that say so. Raises UnreadableDocumentError for anything else."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableDocumentError(
                    f"broken {encoding.upper()} (byte {error.start}), expected what its byte order mark announces. "
                    "Fix: restore the file from its writer or backup"
                ) from None
    if b"\0" in data[:4] and data.strip(b"\0"):
        raise UnreadableDocumentError(
            "not UTF-8 (a zero byte among the first four: UTF-16 without a mark, or binary), expected text in UTF-8. "
            "Fix: if it is text, convert it, e.g. with iconv -f UTF-16LE -t UTF-8"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError(
            f"not UTF-8 (byte {error.start}), expected text in UTF-8, Parquet or DuckDB. "
            "Fix: if it is text, convert it, e.g. with iconv"
        ) from None


def _require_size(content: str) -> None:
    """Raises UnreadableDocumentError for JSON of too many objects and lists; what has fewer characters is not counted."""
    if len(content) <= MOST_CONTAINERS or content.lstrip()[:1] not in ("{", "["):
        return
    n_containers = content.count("{") + content.count("[")
    if n_containers > MOST_CONTAINERS:
        raise UnreadableDocumentError(
            f"{n_containers} objects and lists, expected at most {MOST_CONTAINERS}: more does not fit into memory. "
            "Fix: split it into one file per run"
        )


class _RepeatedKeyError(ValueError):
    """An object that gives one key two values, so that one of them would be lost."""


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RepeatedKeyError(f"the key {repeated!r:.80} stands twice in one object")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_object_without_repeats)


def _unusable(error: ValueError) -> UnreadableDocumentError:
    return UnreadableDocumentError(
        f"not usable JSON: {error}; expected one value per key and ordinary numbers. Fix: correct it by hand"
    )


def _not_one_json(error: json.JSONDecodeError, content: str, name: str) -> Any:
    """The document in text that is not one JSON document: JSON lines or a table. Raises UnreadableDocumentError."""
    if "<<<<<<< " in content and _CONFLICT.search(content):
        raise UnreadableDocumentError(
            "git conflict markers, expected one document. Fix: resolve the conflict, keeping one side"
        )
    starts_like_json = content.lstrip()[:1] in ("{", "[") and not _LOG_LINE.match(content)
    if starts_like_json and error.msg == "Extra data":
        return _json_lines(content, error)
    is_named_table = name.lower().endswith((".csv", ".tsv"))
    if not starts_like_json and (is_named_table or looks_like_table(content)):
        return parse_table(content)
    raise _broken_json(error, content, name, starts_like_json=starts_like_json)


def _json_lines(content: str, whole: json.JSONDecodeError) -> list[Any]:
    """The documents of JSON lines, one per line that is not blank."""
    documents: list[Any] = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            documents.append(_DECODER.decode(line))
        except json.JSONDecodeError as error:
            place = f"line {whole.lineno} column {whole.colno}"
            if number == 1:
                raise UnreadableDocumentError(
                    f"more than one JSON document (the second begins at {place}), expected one, or one per line. "
                    "Fix: put the documents into a list or separate files"
                ) from None
            raise UnreadableDocumentError(
                f"JSON lines with a broken line {number}: {error.msg}, expected one JSON document per line. "
                "Fix: correct or remove that line"
            ) from None
        except RecursionError:
            raise UnreadableDocumentError(
                f"line {number} is nested too deep, expected some hundred levels at most. Fix: flatten it"
            ) from None
        except ValueError as error:
            raise _unusable(error) from None
    return documents


def _broken_json(
    error: json.JSONDecodeError, content: str, name: str, *, starts_like_json: bool
) -> UnreadableDocumentError:
    if not starts_like_json and not name.lower().endswith((".json", ".jsonl")):
        return UnreadableDocumentError(
            "text of another kind, not a result format; expected JSON or a table. Fix: none needed if it holds no results",
            is_foreign=True,
        )
    place = f"line {error.lineno} column {error.colno}"
    is_cut = error.pos >= len(content.rstrip()) or error.msg.startswith("Unterminated string")
    what = "truncated JSON" if starts_like_json and is_cut else "not valid JSON"
    return UnreadableDocumentError(
        f"{what}: {error.msg} at {place}, expected one JSON document. Fix: restore the file from its writer or backup"
    )
