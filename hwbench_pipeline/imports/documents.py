"""From bytes to a JSON document or a table of text, as the imported formats have them.

Belongs here: telling JSON from CSV, and reading CSV without giving its cells a meaning. Does not belong here: JSON itself,
which `legacy.documents` reads with all its traps, and what a document means (the format modules).
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.legacy.contents import LARGEST_FILE_BYTES
from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError
from hwbench_pipeline.legacy.documents import decoded_text, has_wide_mark, parse_document

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


@dataclass(frozen=True)
class TextTable:
    """A table: its header, and its data rows as text, in file order. A row may be shorter or longer than the header."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]


def is_json(data: bytes) -> bool:
    """Whether the bytes begin like a JSON object or list. Raises UnreadableDocumentError for broken UTF-16."""
    if has_wide_mark(data):
        return decoded_text(data).lstrip()[:1] in ("{", "[")
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def json_document(data: bytes) -> Any:
    """The JSON document. Raises UnreadableDocumentError."""
    return parse_document(data, "document.json")


def text_table(data: bytes) -> TextTable:
    """The CSV table in the bytes. Raises UnreadableDocumentError for bytes that are none."""
    if not data.strip():
        raise UnreadableDocumentError("an empty file, expected a table or JSON. Fix: run what wrote it again")
    try:
        content = decoded_text(data) if has_wide_mark(data) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError(
            f"not UTF-8 (byte {error.start}), expected CSV or JSON in UTF-8. Fix: convert it, e.g. with iconv"
        ) from None
    if "\0" in content:
        raise UnreadableDocumentError(
            "binary (zero bytes), expected CSV or JSON. Fix: name the result file, not a binary"
        )
    # lists of samples stand in one cell; the limit is the module's, and Python's default is 128 KiB
    csv.field_size_limit(LARGEST_FILE_BYTES)
    try:
        lines = [line for line in csv.reader(io.StringIO(content, newline=""), strict=True) if line]
    except csv.Error as error:
        raise UnreadableDocumentError(
            f"not a readable CSV table: {error}, expected one header line and data lines. "
            "Fix: restore the file from its writer or backup"
        ) from None
    if not lines:
        raise UnreadableDocumentError("a file of blank lines, expected a table. Fix: run what wrote it again")
    return TextTable(tuple(name.strip() for name in lines[0]), lines[1:])


def gunzipped(data: bytes) -> bytes:
    """The bytes inside gzip data. Raises UnreadableDocumentError where they are broken or too many."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = inflater.decompress(data, LARGEST_FILE_BYTES)
    except zlib.error as error:
        raise UnreadableDocumentError(f"broken gzip data: {error}. Fix: copy the file again") from None
    if inflater.unconsumed_tail:
        raise UnreadableDocumentError(
            f"more than {LARGEST_FILE_BYTES} bytes when unpacked. Fix: split it into one file per run"
        )
    if not inflater.eof:
        raise UnreadableDocumentError("truncated gzip data. Fix: copy the file again")
    return content
