"""Publishing: the legacy tables, made anew from the batches that have effect and switched all at once.

Belongs here: the queries that settle which file and which record stands for what, and the switch. Does not belong here:
reading files (`ingest`) or the batches themselves (`batches`).

The tables are a pure function of the live batches. They are written to `<warehouse>/legacy_tables/<generation>/`; one
rename of the link `legacy_tables/current` then switches all of them, because `<warehouse>/<table>.parquet` are links
into it. The generation before stays for whoever has it open.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import hwbench_pipeline.schema as schema_package
from hwbench_pipeline.legacy.batches import (
    SCHEMAS,
    VERSIONS,
    Batch,
    list_batches,
    live_batch_ids,
    live_batches,
    sync_files,
    sync_folder,
)
from hwbench_pipeline.legacy.quarantine import FOLDER as QUARANTINE_FOLDER
from hwbench_pipeline.schema.arrow import arrow_schema
from hwbench_pipeline.schema.duckdb_sql import cast_columns, identifier, literal
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import connect
from hwbench_pipeline.warehouse.writing import cannot_write

FOLDER = "legacy_tables"
_CURRENT = "current"
_MANIFEST = "generation.json"
_ROWS_PER_GROUP = 16_384
_MEMORY_LIMIT = "256MB"

_LIKENESS = (
    "hardware_requested",
    "batch_size",
    "sequence_length",
    "input_shape",
    "status",
    "error_message",
    *LATENCY_COLUMNS,
    "throughput_items_per_s",
    "tokens_per_s",
    "first_token_ms",
    "load_ms",
    "peak_memory_mb",
)
"""What an expected copy has in common with the run it was copied from, beside the model; a copy has its own times."""

ALONE_REMARK = "; this place alone says: "

EXPECTED_REMARK = "known from an expected (golden) copy only, no file of the run itself holds it"

_CURRENT_VERSION = """
SELECT versions.* EXCLUDE (batch_id), newest.batch_id, newest.first_seen_at
FROM versions JOIN (
    SELECT path, max(batch_id) AS batch_id, min(batches.started_at) AS first_seen_at
    FROM versions JOIN batches USING (batch_id) GROUP BY path
) AS newest ON newest.path = versions.path AND newest.batch_id = versions.batch_id
"""

# Steps in order; each makes one temporary table.
_STEPS: tuple[tuple[str, str], ...] = (
    (
        # of files with the same bytes, the first by path stands for all; what the newest reading made of them holds
        "content",
        """SELECT sha256, max(reading_batch) AS reading_batch,
            arg_min(path, (role = 'expected', path)) AS path,
            bool_and(role = 'expected') AS is_expected
        FROM current_version WHERE sha256 IS NOT NULL GROUP BY sha256""",
    ),
    (
        "reading",
        """SELECT content.*, contents.* EXCLUDE (sha256, batch_id)
        FROM content JOIN contents
        ON contents.batch_id = content.reading_batch AND contents.sha256 = content.sha256""",
    ),
    (
        "record",
        f"""SELECT records.result_id, records.source_sha256 AS sha256, records.position, records.source_pointer AS pointer, records.fact,
            records.timing,
            records.originality, records.provenance, content.path, content.is_expected,
            hash(lower(records.model_id), {", ".join(f"records.{name}" for name in _LIKENESS)}) AS likeness
        FROM records JOIN content
        ON records.batch_id = content.reading_batch AND records.source_sha256 = content.sha256""",
    ),
    (
        # a place that says of some times that no model was measured: what it says holds wherever the same times stand
        "doubt",
        """SELECT worst.timing, worst.provenance, worst.path, worst.pointer, records.provenance_reason AS reason
        FROM (
            SELECT timing, min_by(record, (provenance = 'mock', path, position), 1)[1] AS found
            FROM record WHERE timing IS NOT NULL AND provenance IN ('simulated', 'mock') GROUP BY timing
        ) AS doubted, LATERAL (SELECT doubted.timing, unnest(doubted.found)) AS worst
        JOIN content ON content.sha256 = worst.sha256
        JOIN records ON records.result_id = worst.result_id AND records.batch_id = content.reading_batch""",
    ),
    (
        "judged",
        f"""SELECT record.* REPLACE (coalesce(doubt.provenance, record.provenance) AS provenance),
            'same_times_elsewhere: the same times stand in ' || doubt.path || doubt.pointer || ', whose reason is '
            || doubt.reason || {literal(ALONE_REMARK)} AS doubt_reason
        FROM record LEFT JOIN doubt
        ON doubt.timing = record.timing AND record.provenance IN ('measured', 'unknown')""",
    ),
    (
        # of records that are one fact, the one in the most original file of a run stands for all
        "standing",
        """SELECT judged.*, coalesce(holders.holder, judged.result_id) AS holder
        FROM judged LEFT JOIN (
            SELECT fact, arg_min(result_id, (is_expected, originality, path, position)) AS holder
            FROM judged WHERE fact IS NOT NULL GROUP BY fact
        ) AS holders USING (fact)""",
    ),
    (
        # an expected copy is never one run more: it gives way to any record that says the same
        "expected_holder",
        """SELECT copies.result_id, arg_min(standing.result_id, (standing.is_expected, standing.path, standing.position))
            AS holder
        FROM (SELECT * FROM standing WHERE is_expected AND holder = result_id) AS copies
        JOIN standing ON standing.likeness = copies.likeness AND standing.holder = standing.result_id
        GROUP BY copies.result_id""",
    ),
    (
        "settled",
        """SELECT standing.* EXCLUDE (holder), coalesce(expected_holder.holder, standing.holder) AS holder
        FROM standing LEFT JOIN expected_holder ON expected_holder.result_id = standing.holder""",
    ),
    (
        "account",
        """SELECT settled.sha256,
            count(*) AS n_of_content,
            count(*) FILTER (settled.holder <> settled.result_id) AS n_repeated,
            count(*) FILTER (settled.holder = settled.result_id AND provenance = 'measured') AS n_measured,
            count(*) FILTER (settled.holder = settled.result_id AND provenance = 'simulated') AS n_simulated,
            count(*) FILTER (settled.holder = settled.result_id AND provenance = 'mock') AS n_mock,
            count(*) FILTER (settled.holder = settled.result_id AND provenance = 'unknown') AS n_unknown,
            count(*) FILTER (settled.holder = settled.result_id AND provenance = 'none') AS n_failed
        FROM settled GROUP BY settled.sha256""",
    ),
    (
        "elsewhere",
        """SELECT sha256, array_to_string(paths[:5], ', ')
            || CASE WHEN len(paths) > 5 THEN ', and ' || (len(paths) - 5) || ' more files' ELSE '' END AS places
        FROM (
            SELECT repeated.sha256, list(DISTINCT holders.path ORDER BY holders.path) AS paths
            FROM settled AS repeated JOIN settled AS holders ON holders.result_id = repeated.holder
            WHERE repeated.holder <> repeated.result_id GROUP BY repeated.sha256
        )""",
    ),
)

_FILES = """
SELECT version.path, version.sha256, coalesce(reading.bytes, version.size) AS bytes, reading.shape,
    CASE WHEN version.sha256 IS NULL THEN 'quarantined' WHEN version.path <> reading.path THEN 'duplicate'
        ELSE reading.status END AS status,
    -- what the reader counted: were it summed from what is stored, a record that was lost would not be missed
    coalesce(reading.n_records, coalesce(account.n_of_content, 0) + coalesce(reading.n_quarantined, 0)) AS n_records,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_measured, 0) ELSE 0 END AS n_measured,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_simulated, 0) ELSE 0 END AS n_simulated,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_mock, 0) ELSE 0 END AS n_mock,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_unknown, 0) ELSE 0 END AS n_unknown,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_failed, 0) ELSE 0 END AS n_failed,
    CASE WHEN version.path = reading.path THEN coalesce(account.n_repeated, 0)
        ELSE coalesce(account.n_of_content, 0) + coalesce(reading.n_quarantined, 0) END AS n_duplicates,
    CASE WHEN version.path = reading.path THEN reading.n_quarantined ELSE 0 END AS n_quarantined,
    CASE
        WHEN version.sha256 IS NULL THEN version.problem
        WHEN version.path <> reading.path THEN 'byte-identical to ' || reading.path
            || CASE WHEN reading.status = 'ingested' THEN '' ELSE ', which is ' || reading.status || ': ' || reading.error END
        WHEN account.n_repeated > 0 THEN concat_ws('; ', reading.error, account.n_repeated
            || CASE WHEN account.n_repeated > 1 THEN ' records of it stand' ELSE ' record of it stands' END
            || ' in the results already, from ' || elsewhere.places)
        ELSE reading.error
    END AS error,
    version.first_seen_at, version.role, version.batch_id, reading.derived_zone
FROM current_version AS version
LEFT JOIN reading ON reading.sha256 = version.sha256
LEFT JOIN account ON account.sha256 = version.sha256
LEFT JOIN elsewhere ON elsewhere.sha256 = version.sha256
ORDER BY version.path
"""

_RESULTS = f"""
SELECT records.* REPLACE (
        CASE WHEN kept.is_expected THEN list_append(coalesce(records.flags, []), 'expected_copy') ELSE records.flags END
            AS flags,
        kept.provenance AS provenance,
        CASE WHEN kept.is_expected OR kept.doubt_reason IS NOT NULL THEN concat_ws(
                '', kept.doubt_reason, records.provenance_reason,
                CASE WHEN kept.is_expected THEN {literal("; " + EXPECTED_REMARK)} END
            ) ELSE records.provenance_reason END AS provenance_reason
    ), kept.path AS source_path
FROM records
JOIN content ON content.sha256 = records.source_sha256 AND content.reading_batch = records.batch_id
JOIN settled AS kept ON kept.result_id = records.result_id AND kept.holder = kept.result_id
"""

_SOURCES = """
SELECT settled.holder AS result_id, version.path, settled.pointer, version.sha256,
    CASE WHEN version.role = 'expected' THEN 'expected'
        WHEN settled.holder = settled.result_id AND version.path = settled.path THEN 'original' ELSE 'copy' END AS role,
    CASE WHEN settled.holder <> settled.result_id THEN 'same_run'
        WHEN version.path = settled.path THEN 'itself' ELSE 'same_bytes' END AS relation
FROM settled JOIN current_version AS version ON version.sha256 = settled.sha256
"""

_QUARANTINE = f"""
SELECT reading.path, quarantined.place, quarantined.pointer, quarantined.sha256, quarantined.reason,
    quarantined.reason_kind, quarantined.candidates, reading.reading_batch AS batch_id,
    CASE WHEN reading.is_kept THEN {literal(QUARANTINE_FOLDER + "/")} || reading.sha256[:2] || '/' || reading.sha256 || '.gz'
        END AS kept_at
FROM quarantined JOIN reading
ON quarantined.sha256 = reading.sha256 AND quarantined.batch_id = reading.reading_batch
UNION ALL BY NAME
SELECT path, 0 AS place, problem AS reason, problem_kind AS reason_kind, batch_id
FROM current_version WHERE sha256 IS NULL
ORDER BY path, place
"""

_ENVIRONMENTS = """
SELECT DISTINCT ON (environment_id) environments.* FROM environments
WHERE environment_id IN (SELECT environment_id FROM result) ORDER BY environment_id
"""

PUBLISHED: tuple[tuple[Table, str], ...] = (
    (RAW_LEGACY__FILES, _FILES),
    (CORE_LEGACY__RESULTS, _RESULTS),
    (CORE_LEGACY__SOURCES, _SOURCES),
    (CORE_LEGACY__QUARANTINE, _QUARANTINE),
    (CORE_LEGACY__ENVIRONMENTS, _ENVIRONMENTS),
)
"""The tables, each with the query that makes it; the environments are those that results name."""


def register_batches(connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
    """Make views of the batches' files, and `current_version`: the state of each path by the batches that have effect.

    What a reader made of some bytes is taken from an undone batch as well, where a version of another batch names it.
    """
    live = live_batches(batches)
    for name, schema in SCHEMAS.items():
        files = [str(path) for batch in (live if name == VERSIONS else batches) if (path := batch.file(name)).exists()]
        if files:
            paths = ", ".join(map(literal, files))
            # batches are kept for years: one of an older version lacks columns that came later
            connection.register(f"columns_of_{name}", schema.empty_table())
            sql = f"SELECT * FROM read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
            connection.execute(
                f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM columns_of_{name} UNION ALL BY NAME {sql}"
            )
        else:
            connection.register(name, schema.empty_table())
    connection.register(
        "batches",
        pa.table(
            {
                "batch_id": pa.array([batch.batch_id for batch in live], pa.string()),
                "started_at": pa.array([batch.started_at for batch in live], pa.timestamp("us", tz="UTC")),
            }
        ),
    )
    connection.execute(f"CREATE TEMP TABLE current_version AS {_CURRENT_VERSION}")


def publish(warehouse: Path, batches: Sequence[Batch] | None = None) -> bool:
    """Bring the tables up to date with the batches. Returns whether there was anything to do.

    Killed at any moment, the tables are those of before or those of after. The caller is the only writer. Raises
    `WarehouseError` where the warehouse cannot be written.
    """
    known = list_batches(warehouse) if batches is None else batches
    made_from = {"batches": [batch.batch_id for batch in live_batches(known)], "code": _code_fingerprint()}
    folder = warehouse / FOLDER
    current = folder / _CURRENT
    if _manifest_of(current) == made_from and _are_linked(warehouse):
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        generation = folder / f".{uuid.uuid4().hex[:12]}"
        generation.mkdir()
        _write_tables(generation, known)
        (generation / _MANIFEST).write_text(json.dumps(made_from), encoding="utf-8")
        sync_files(generation)
        before = current.readlink().name if current.is_symlink() else None
        named = generation.with_name(generation.name.lstrip("."))
        generation.rename(named)
        for table, _ in PUBLISHED:
            _link(table_file(warehouse, table), f"{FOLDER}/{_CURRENT}/{table.name}.parquet")
        _link(current, named.name)
        sync_folder(folder)
        _remove_others(folder, {named.name, before or named.name, _CURRENT})
    except OSError as error:
        raise cannot_write(folder, error) from error
    return True


def published_batches(warehouse: Path) -> list[str]:
    """The batches that the tables were made from."""
    named = (_manifest_of(warehouse / FOLDER / _CURRENT) or {}).get("batches")
    return [str(name) for name in named] if isinstance(named, list) else []


def lags(warehouse: Path) -> bool:
    """Whether the tables are not those of the batches that have effect: an ingest or an undo was cut off before them."""
    return published_batches(warehouse) != live_batch_ids(warehouse)


def _manifest_of(generation: Path) -> dict[str, object] | None:
    try:
        manifest: dict[str, object] = json.loads((generation / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest


def _are_linked(warehouse: Path) -> bool:
    return (warehouse / FOLDER / _CURRENT).is_symlink() and all(
        table_file(warehouse, table).is_symlink() and table_file(warehouse, table).is_file() for table, _ in PUBLISHED
    )


def _link(path: Path, target: str) -> None:
    """Make `path` a link to the target, in one step whatever was there."""
    if path.is_symlink() and path.readlink() == Path(target):
        return
    if path.is_dir() and not path.is_symlink():  # a copy of the warehouse that followed links
        path.rename(path.with_name(f".{uuid.uuid4().hex[:12]}"))
    temporary = path.with_name(f".{path.name}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    temporary.replace(path)


def _remove_others(folder: Path, keep: set[str]) -> None:
    for member in folder.iterdir():
        if member.name not in keep:
            shutil.rmtree(member, ignore_errors=True)


def _write_tables(generation: Path, batches: Sequence[Batch]) -> None:
    with connect() as connection:
        connection.execute(f"SET memory_limit = {literal(_MEMORY_LIMIT)}")
        connection.execute(f"SET temp_directory = {literal(str(generation / '.spill'))}")
        register_batches(connection, batches)
        for name, sql in _STEPS:
            connection.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        for table, sql in PUBLISHED:
            _write_selected(connection, generation, table, sql)
            if table is CORE_LEGACY__RESULTS:
                path = literal(str(table_file(generation, table)))
                connection.execute(f"CREATE TEMP VIEW result AS SELECT environment_id FROM read_parquet({path})")
    shutil.rmtree(generation / ".spill", ignore_errors=True)


def _write_selected(connection: duckdb.DuckDBPyConnection, generation: Path, table: Table, sql: str) -> None:
    """Write what a query gives as the table, in pieces."""
    schema = arrow_schema(table)
    selected = connection.sql(
        f"SELECT {cast_columns(table, table.column_names)} FROM ({sql}) AS {identifier(table.name)}"
    )
    with pq.ParquetWriter(table_file(generation, table), schema, compression="zstd") as writer:
        for batch in selected.to_arrow_reader(_ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


@cache
def _code_fingerprint() -> str:
    """Changes with the queries and the tables' definitions, so that tables of an older version are made anew."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(Path(str(schema_package.__file__)).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
