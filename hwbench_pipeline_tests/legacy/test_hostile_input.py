"""Whatever lies in a folder: one row each with a reason, nothing else disturbed, nothing that acts."""

import json
import os
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.json_values import storable
from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline_tests.benchmarks.legacy_corpus import document_of
from hwbench_pipeline_tests.legacy.fuzzing import read_bytes
from hwbench_pipeline_tests.legacy.killing import OF_THE_INGEST, PROJECT, require_consistent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, links and permissions of POSIX")

HUGE_BYTES = 300_000_000
GROWING_BYTES = 30_000_000
PEAK_MB = 1000
SECONDS = 60
HTML = "<script>alert(1)</script>"
SQL = "'; DROP TABLE raw_legacy__files; --"
TRAVERSAL = "../../../../../tmp/hwbench-escaped"
ESCAPES = "\x1b[2J\x1b]0;owned\x07[bold red]x[/bold red]"

GOOD = {
    "good_direct.json": "direct_benchmark",
    "good_suite.json": "suite_benchmarks",
    "good_web.json": "web_platform_result",
}


def direct(seed, **changes):
    """A document with one measured record and one failure, like no other file's."""
    document = document_of("direct_benchmark", f"hostile-{seed}")
    ticks = [105_373 + number * 3_310 + number % 2 + len(str(seed)) * 52 + hash_of(seed) for number in range(5)]
    latencies = [1000 * count / 2**22 for count in ticks]
    document["batch_results"] = {
        "1": {
            "success": True,
            "batch_size": 1,
            "avg_latency_ms": sum(latencies) / 5,
            "throughput_items_per_second": 5000 / sum(latencies),
            "latencies_ms": latencies,
            "device": "cpu",
        }
    }
    return document | changes


def hash_of(seed):
    """A small whole number that is another for every seed."""
    return zlib.crc32(str(seed).encode("utf-8", "surrogatepass")) % 3_001


def text_of(seed, **changes):
    return json.dumps(direct(seed, **changes))


def _direct_with(value):
    """A direct benchmark whose every quantity is this JSON text."""
    batch = f'{{"success": true, "avg_latency_ms": {value}, "memory_mb": {value}, "latencies_ms": [1.5, {value}]}}'
    return f'{{"model": "m", "hardware": "cpu", "success": true, "batch_results": {{"1": {batch}}}}}'.encode()


UNREADABLE = {
    "empty.json": (b"", "empty"),
    "blank.json": (b" \n\t", "empty"),
    "truncated.json": (text_of("cut").encode()[:-40], "truncated"),
    "conflict.json": (
        f"{{\n<<<<<<< HEAD\n{text_of('ours')[1:]}\n=======\n{text_of('theirs')[1:]}\n>>>>>>> other\n".encode(),
        "conflict",
    ),
    "utf16_without_mark.json": (text_of("utf16").encode("utf-16-le"), "UTF-8"),
    "duplicate_keys.json": (b'{"model": "a", "latency_ms": 1.5, "latency_ms": 2.5}', "twice"),
    "deep.json": (b"[" * 10_000 + b"]" * 10_000, "too deep"),
    "deep_objects.json": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too deep"),
    "nan.json": (_direct_with("NaN"), "no number"),
    "infinity.json": (_direct_with("-Infinity"), "no number"),
    "500_digits.json": (_direct_with("9" * 500), "no number"),
    "5000_digits.json": (_direct_with("9" * 5000), "not usable"),
    "binary.json": (bytes(range(256)) * 100, "UTF-8"),
    "zeros.json": (b"\0" * 1000, ""),
    "junk.json": (b"clas" + text_of("junk").encode(), "not valid JSON"),
    "broken.parquet": (b"PAR1" + b"\0" * 200 + b"PAR1", "Parquet"),
    "broken.duckdb": (b"\0" * 8 + b"DUCK" + b"\0" * 5000, "DuckDB"),
    "some.sqlite": (b"SQLite format 3\0" + b"\0" * 200, "SQLite"),
}

READABLE = {
    "bom.json": b"\xef\xbb\xbf" + text_of("bom").encode(),
    "utf16.json": text_of("utf16 with mark").encode("utf-16"),
    "new\nline.json": text_of("newline").encode(),
    "a|pipe.json": text_of("pipe").encode(),
    "run@7.json": text_of("at").encode(),
    "😀 ü.json": text_of("emoji").encode(),
    "-rf": text_of("dash").encode(),
    "$(touch owned);.json": text_of("shell").encode(),
    b"caf\xe9.json": text_of("latin").encode(),
    f"{ESCAPES.replace('/', '')}.json": text_of("escapes").encode(),
    "strings.json": json.dumps(
        direct("strings", model=HTML, hardware=SQL, timestamp=TRAVERSAL, device=ESCAPES, **{HTML: SQL, TRAVERSAL: HTML})
    ).encode(),
    "failed_strings.json": json.dumps(
        {
            "model": "bert-base-uncased",
            "hardware": "cuda",
            "success": False,
            "batch_results": {"1": {"success": False, "error": f"{HTML}{SQL}{TRAVERSAL}{ESCAPES}"}},
            "timestamp": "2025-03-06T17:47:59.437712",
        }
    ).encode(),
}


def _write(folder, name, data):
    path = os.path.join(os.fsencode(folder), os.fsencode(name))  # noqa: PTH118 - names that are no text
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(data)


class _Growing:
    """A file that some threads append to for as long as the block lasts: one alone rests too long on a busy machine."""

    def __init__(self, path):
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._append) for _ in range(3)]

    def _append(self):
        with self._path.open("ab", buffering=0) as file:
            while not self._stop.is_set():
                file.write(b" ")

    def __enter__(self):
        self._path.write_bytes(b"[" + b" " * GROWING_BYTES)
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _ingest(prefix, warehouse, paths, temporary):
    """Ingest in a process of its own: its seconds and its peak memory."""
    command = [
        sys.executable,
        "-m",
        "hwbench_pipeline_tests.benchmarks.legacy_ways",
        "ours",
        str(warehouse),
        *map(str, paths),
    ]
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(
        [*prefix, *command], stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT, env=environment, timeout=300
    )
    return json.loads(done.stdout)


def _snapshot(folder):
    """What lies below a folder: names, sizes and times of change, without following links."""
    found = {}
    for place, folders, names in os.walk(os.fsencode(folder)):
        for name in (*folders, *names):
            path = os.path.join(place, name)  # noqa: PTH118
            status = os.lstat(path)
            is_folder = name in folders
            found[path] = None if is_folder else (status.st_size, status.st_mtime_ns, status.st_mode)
    return found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, unprivileged):
    """All of it in one folder beside three good files, ingested once: the folder, the warehouse, what the run took."""
    root = tmp_path_factory.mktemp("hostile")
    folder, temporary = root / "in", root / "tmp"
    (folder / "sub").mkdir(parents=True)
    temporary.mkdir()
    for name, template in GOOD.items():
        (folder / name).write_text(json.dumps(document_of(template, "good")))
    for name, (data, _) in UNREADABLE.items():
        _write(folder, name, data)
    for name, data in READABLE.items():
        _write(folder, name, data)
    with (folder / "huge.json").open("wb") as file:
        file.write(b"[")
        file.truncate(HUGE_BYTES)
    os.mkfifo(folder / "pipe.json")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket"))
    server.close()
    (folder / "device").symlink_to("/dev/null")
    (folder / "endless").symlink_to("/dev/zero")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "self").symlink_to(folder / "self")
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "closed.json").write_text("{}")
    (folder / "closed.json").chmod(0)
    (folder / "closed_folder").mkdir(mode=0)
    growing = folder / "growing.json"
    with _Growing(growing):
        before = _snapshot(root)
        took = _ingest(unprivileged, root / "w", [folder], temporary)
        after = _snapshot(root)
    own = os.fsencode(root / "w")
    changed = {
        path
        for path in before.keys() | after.keys()
        if not path.startswith(own) and path != os.fsencode(growing) and before.get(path) != after.get(path)
    }
    yield folder, root / "w", took, changed
    (folder / "closed_folder").chmod(0o700)


@pytest.fixture(scope="module")
def files(hostile):
    """The row of each file by its path below the folder."""
    folder, warehouse, _, _ = hostile
    rows, unreadable = read_rows(warehouse, RAW_LEGACY__FILES)
    assert not unreadable
    named = [(row["path"].removeprefix(f"{folder}/"), row) for row in rows]
    assert len(dict(named)) == len(named), "a file with two rows"
    return dict(named)


NO_FILES = {
    "huge.json": "larger than",
    "pipe.json": "named pipe",
    "socket": "socket",
    "device": "character device",
    "endless": "character device",
    "dangling": "No such file",
    "self": "symbolic links",
    "closed.json": "ermission denied",
    "closed_folder": "cannot be listed",
    "growing.json": "changed while it was read",
}


def _stored(name):
    return storable(os.fsdecode(name))


def test_every_file_has_exactly_one_row(files):
    assert files.keys() == {*GOOD, *UNREADABLE, *map(_stored, READABLE), *NO_FILES}


@pytest.mark.parametrize("name", [*UNREADABLE, *NO_FILES])
def test_what_cannot_be_read_is_quarantined_with_its_reason(files, name):
    word = NO_FILES[name] if name in NO_FILES else UNREADABLE[name][1]
    file = files[name]
    assert (file["status"], file["n_measured"], file["n_failed"]) == ("quarantined", 0, 0)
    assert word in file["error"]
    assert "Fix: " in file["error"]


@pytest.mark.parametrize("name", [*GOOD, *READABLE], ids=ascii)
def test_what_can_be_read_is_ingested(files, name):
    file = files[_stored(name)]
    assert (file["status"], file["n_quarantined"]) == ("ingested", 0), file["error"]


def test_the_tables_agree_and_every_reason_is_listed(hostile, files):
    folder, warehouse, _, _ = hostile
    require_consistent(warehouse)
    listed = {row["path"].removeprefix(f"{folder}/") for row in read_rows(warehouse, CORE_LEGACY__QUARANTINE)[0]}
    assert listed == {*UNREADABLE, *NO_FILES}


def test_good_files_are_not_disturbed(hostile, tmp_path):
    """Their rows equal those of an ingest of nothing but them."""
    folder, warehouse, _, _ = hostile
    clean = tmp_path / "w"
    _ingest([], clean, [folder / name for name in GOOD], tmp_path)
    good = {str(folder / name) for name in GOOD}
    for table, path in ((RAW_LEGACY__FILES, "path"), (CORE_LEGACY__RESULTS, "source_path")):
        rows = [_lasting(row) for row in read_rows(warehouse, table)[0] if row[path] in good]
        expected = [_lasting(row) for row in read_rows(clean, table)[0]]
        assert sorted(rows, key=repr) == sorted(expected, key=repr)
        assert len(rows) >= len(good)
    environments = {row["environment_id"] for row in read_rows(warehouse, CORE_LEGACY__ENVIRONMENTS)[0]}
    assert {row["environment_id"] for row in read_rows(clean, CORE_LEGACY__ENVIRONMENTS)[0]} <= environments


def _lasting(row):
    return {name: value for name, value in row.items() if name not in OF_THE_INGEST}


def test_nothing_is_written_outside_the_warehouse(hostile):
    _, warehouse, _, changed = hostile
    assert changed == set()
    assert not Path("/tmp/hwbench-escaped").exists()
    assert not list(PROJECT.glob("owned*"))
    assert all(path.resolve().is_relative_to(warehouse) for path in warehouse.rglob("*"))


def test_memory_and_time_are_bounded(hostile):
    _, _, took, _ = hostile
    assert took["peak_mb"] < PEAK_MB
    assert took["seconds"] < SECONDS


def test_a_second_ingest_changes_nothing(hostile, files, unprivileged, tmp_path):
    folder, warehouse, _, _ = hostile
    _ingest(unprivileged, warehouse, [folder], tmp_path)
    again = {row["path"]: _lasting(row) for row in read_rows(warehouse, RAW_LEGACY__FILES)[0]}
    del again[str(folder / "growing.json")]  # nobody writes to it any more
    assert again == {row["path"]: _lasting(row) for name, row in files.items() if name != "growing.json"}


PROGRAM = Path(sys.executable).with_name("hwbench")


@pytest.fixture(scope="module")
def refreshed(hostile, tmp_path_factory):
    """The folder and the warehouse with its united tables, database and report."""
    folder, warehouse, _, _ = hostile
    elsewhere = tmp_path_factory.mktemp("refreshed")
    subprocess.run([PROGRAM, "refresh", "--warehouse", warehouse], check=True, capture_output=True, cwd=elsewhere)
    return folder, warehouse


@pytest.mark.parametrize(
    "call",
    [
        "ingest {folder}/strings.json {folder}/failed_strings.json --warehouse {warehouse}",
        "ingest --explain {folder}/strings.json {folder}/failed_strings.json {folder}/duplicate_keys.json",
        "quarantine --warehouse {warehouse}",
        "query --warehouse {warehouse} SELECT\tmodel_id,hardware_requested,error_message\tFROM\tout__results",
        "query --warehouse {warehouse} SELECT\tpath,status,error\tFROM\traw_legacy__files",
    ],
)
def test_nothing_acts_on_a_terminal(refreshed, tmp_path, call):
    """No control sequence of a file's strings or name comes out as one."""
    folder, warehouse = refreshed
    words = [word.format(folder=folder, warehouse=warehouse) for word in call.split(" ")]
    done = subprocess.run([PROGRAM, *words], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for sign in ("\x1b", "\x07"):
        assert sign not in done.stdout + done.stderr


def test_strings_are_inert_in_the_report(refreshed):
    _, warehouse = refreshed
    pages = list(warehouse.rglob("*.html"))
    assert pages
    for page in pages:
        assert HTML not in page.read_text()
    names = {row["model_id"] for row in read_rows(warehouse, CORE_LEGACY__RESULTS)[0]}
    assert HTML in names, "the raw name is kept as it was written"


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "1e999", "1e308", "1e-320", "9" * 500, "-" + "9" * 500, '"\\ud800"', "true"],
)
def test_numbers_that_are_none(value):
    reading = read_bytes(_direct_with(value))
    assert (reading.status, reading.n_quarantined, reading.rows) == ("quarantined", 1, ())


def test_lone_surrogates_and_odd_texts():
    (row,) = read_bytes(text_of("odd", model="a\ud800\0b|\n").encode()).rows
    row["model_id"].encode()


def test_depth_that_parses_is_walked():
    assert read_bytes(('{"x": [' * 400 + "1" + "]}" * 400).encode()).status == "no_results"


def test_link_to_a_folder_elsewhere_is_read_once(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "in" / "here.json").write_text(text_of("here"))
    (tmp_path / "other" / "there.json").write_text(text_of("there"))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "link again").symlink_to(tmp_path / "other")
    _ingest([], tmp_path / "w", [tmp_path / "in"], tmp_path)
    paths = [row["path"].rsplit("/", 1)[1] for row in read_rows(tmp_path / "w", RAW_LEGACY__FILES)[0]]
    assert paths == ["here.json", "there.json"]
