"""Reading our own result bundles: every row is checked again, and what does not hold is refused.

Belongs here: what makes a row of a bundle trustworthy. Does not belong here: the format itself and writing it (`bundle_format`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline.hardware.environment import environment_id_of
from hwbench_pipeline.imports.bundle_format import FORMAT, VERSION, list_digest, result_table, row_digest, typed_row
from hwbench_pipeline.imports.documents import GZIP_MAGIC, gunzipped, is_json, json_document
from hwbench_pipeline.imports.records import Document, ForeignDocumentError, ImportedRow, Refused, is_close
from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError
from hwbench_pipeline.schema.tables.catalog import CORE_BENCH__ENVIRONMENTS
from hwbench_pipeline.schema.validation import find_problems

_EXACT = 1e-9
_LITTLES_LAW = 0.3
"""Starting and draining the requests in flight takes its share of a short run."""


_COPY_AGAIN = "copy the bundle again"
_NAME_A_BUNDLE = (
    "expected a bundle of `hwbench bench --bundle`. Fix: name the file that it wrote; where this is one, copy it again"
)


def read(data: bytes, name: str) -> Document:  # noqa: ARG001 - the content says everything
    """The rows of a bundle. Raises ForeignDocumentError and UnreadableDocumentError."""
    if data.startswith(GZIP_MAGIC):
        data = gunzipped(data)
    if not data.strip():
        raise ForeignDocumentError(f"an empty file, {_NAME_A_BUNDLE}")
    if not is_json(data):
        raise ForeignDocumentError(f"no JSON, {_NAME_A_BUNDLE}")
    document = json_document(data)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ForeignDocumentError(f'JSON without "format": "{FORMAT}", {_NAME_A_BUNDLE}')
    version = document.get("version")
    if version != VERSION:
        is_newer = isinstance(version, int) and version > VERSION
        raise UnreadableDocumentError(
            f"bundle version {version!r:.40}{', of a newer hwbench,' if is_newer else ','} expected {VERSION}. "
            f"Fix: {'update this hwbench, or ' if is_newer else ''}import it with the hwbench that knows it"
        )
    results, digests = document.get("results"), document.get("row_sha256")
    if not isinstance(results, list) or not isinstance(digests, list) or len(digests) != len(results):
        raise UnreadableDocumentError(
            f"a bundle whose results and row_sha256 are not lists of one length. Fix: {_COPY_AGAIN}"
        )
    if not _is_list(digests, document.get("rows_sha256")):
        what = (
            "whose rows are not those that rows_sha256 was made of"
            if "rows_sha256" in document
            else "without rows_sha256"
        )
        raise UnreadableDocumentError(
            f"a bundle {what}: rows were taken out, put in or moved after it was written. Fix: {_COPY_AGAIN}"
        )
    named = {row["environment_id"] for row in results if isinstance(row, dict) and _is_text(row.get("environment_id"))}
    environments, remarks = _environments(document.get("environments"), named)
    if not _is_list(document.get("log"), document.get("log_sha256")):
        remarks.append("/log is not the one that log_sha256 was made of: it was changed after it was written")
    rows: list[ImportedRow] = []
    refused: list[Refused] = []
    for position, (row, digest) in enumerate(zip(results, digests, strict=True)):
        pointer = f"/results/{position}"
        taken = _row(row, digest, environments)
        if isinstance(taken, str):
            refused.append(Refused(pointer, taken))
        else:
            environment = environments.get(str(taken.get("environment_id")))
            rows.append(ImportedRow(pointer, taken, environment))
    return Document(f"{FORMAT}_{VERSION}", rows, refused, remarks, fix=f"{_COPY_AGAIN}, or measure again")


def _is_list(texts: Any, digest: Any) -> bool:
    """Whether these are texts, and those that the digest was made of."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return False
    try:
        return bool(list_digest(texts) == digest)
    except UnicodeEncodeError:  # lone surrogates, which no digest was made of
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _environments(stated: Any, named: Collection[str]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """The environments that rows name and whose id is the hash of their description, and what is wrong with the others."""
    kept: dict[str, Mapping[str, Any]] = {}
    if not isinstance(stated, list):
        return kept, ["/environments is no list"]
    remarks: list[str] = []
    for position, row in enumerate(stated):
        if not isinstance(row, dict):
            remarks.append(f"/environments/{position} is no object")
            continue
        typed = typed_row(CORE_BENCH__ENVIRONMENTS, row)
        problems = find_problems(CORE_BENCH__ENVIRONMENTS, [typed])
        if problems:
            remarks.append(f"/environments/{position}: {problems[0].column} {problems[0].problem}")
        elif typed["environment_id"] not in _possible_ids(row, typed):
            remarks.append(f"/environments/{position}: environment_id is not the hash of the description")
        elif typed["environment_id"] not in named:
            remarks.append(f"/environments/{position}: no row names it, so it was put in, or its row was taken out")
        else:
            kept[typed["environment_id"]] = CORE_BENCH__ENVIRONMENTS.complete(typed)
    return kept, remarks


def _possible_ids(*spellings: Mapping[str, Any]) -> set[str]:
    """The ids of the description as written and as typed: a number may have lost or gained its `.0` on the way."""
    return {environment_id_of(row) for row in spellings}


def _row(row: Any, digest: Any, environments: Mapping[str, Any]) -> dict[str, Any] | str:
    """The row as a row of an import, or what is wrong with it."""
    if not isinstance(row, dict):
        return "no object, expected a result row"
    table = result_table(row)
    typed = typed_row(table, row)
    problems = find_problems(table, [typed])
    if problems:
        return f"{problems[0].column} {problems[0].problem}"
    if row_digest(typed) != digest:
        return "the row is not the one its row_sha256 was made of: it was changed after it was written"
    if typed["source"] != "hwbench":
        return f"source is {typed['source']}, expected hwbench: a bundle carries rows that hwbench measured"
    if typed["provenance"] not in ("measured", "none"):
        return f"provenance is {typed['provenance']}, expected measured, or none where there is no number"
    if typed.get("environment_id") is not None and typed["environment_id"] not in environments:
        return f"its environment {typed['environment_id']} is not in the bundle, or was changed"
    wrong = _contradiction(typed)
    if wrong:
        return wrong
    reason = typed.get("provenance_reason")
    return typed | {
        "source": "bundle",
        "provenance_reason": None if reason is None else f"{reason}; statistics recomputed from its samples at import",
    }


def _contradiction(row: Mapping[str, Any]) -> str | None:
    """What in the row does not follow from its samples."""
    samples = row.get("samples_ms")
    if not samples:
        return None
    statistics = latency_statistics(samples)
    for name, expected in statistics.items():
        stated = row.get(name)
        if (stated is None) != (expected is None) or (
            stated is not None and expected is not None and not is_close(stated, expected, _EXACT)
        ):
            return f"{name} is {stated!r:.30}, its samples give {expected!r:.30}"
    rate, batch, mean = row.get("throughput_items_per_s"), row.get("batch_size"), statistics["latency_ms_mean"]
    if rate is None or batch is None or mean is None:
        return None
    # Little's law for requests in flight, be it one at a time on a small machine; exact for calls one after the other
    is_stream = row.get("variant") == "throughput"
    expected, tolerance = _in_flight(row) * 1000 * batch / mean, _LITTLES_LAW if is_stream else _EXACT
    if is_close(rate, expected, tolerance):
        return None
    return f"throughput_items_per_s is {rate:g}, batch size and samples give {expected:g}"


def _in_flight(row: Mapping[str, Any]) -> int:
    """How many requests were under way at once, as the row's options say."""
    if row.get("variant") != "throughput":
        return 1
    try:
        return int(json.loads(row.get("options") or "{}").get("in_flight", 1))
    except (ValueError, AttributeError, TypeError):
        return 1
