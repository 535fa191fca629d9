"""Whatever lies in a folder: one row each, no traceback."""

import json
import os
import socket

import pytest

SUITE_HEAD = '{"model": "m", "hardware": "cpu", "success": true, "batch_results": {"1": '


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\xef\xbb\xbf", "not valid JSON"),
        (b'{"a": [1, 2', "truncated"),
        (b'{"a": "b', "truncated"),
        (b'clas{"a": 1}', "not valid JSON"),
        (b'{"a": 1}\n{"a": 2}\n', "more than one JSON document"),
        (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> other\n}', "conflict"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (bytes(range(256)), "UTF-8"),
        (b'{"latency": 1, "latency": 2}', "twice"),
        (b"[" * 10_000 + b"]" * 10_000, "too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deep"),
        (b"[" + b"9" * 5000 + b"]", "not usable"),
        (b"PAR1" + b"\0" * 20, "Parquet"),
        (b"\0" * 8 + b"DUCK" + b"\0" * 20, "DuckDB"),
        (b"SQLite format 3\0" + b"\0" * 20, "SQLite"),
        (b"model,latency\nbert,1.5\nvit,2.5\n", "CSV"),
        (b"\0\0\0\0", "not valid JSON"),
    ],
    ids=lambda value: str(value[:24]),
)
def test_unreadable_content(put, run, file_of, content, word):
    put("a.json", content)
    file = file_of(run(), "a.json")
    assert file["status"] == "quarantined"
    assert word in file["error"]
    assert "Fix: " in file["error"]


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "1e308", "1e-320", "9" * 500, "-" + "9" * 500, '"\\ud800"']
)
def test_numbers_that_are_none(put, run, file_of, value):
    batch = f'{{"success": true, "avg_latency_ms": {value}, "memory_mb": {value}, "latencies_ms": [1.5, {value}]}}}}}}'
    put("a.json", SUITE_HEAD + batch)
    file = file_of(run(), "a.json")
    assert (file["status"], file["n_quarantined"]) == ("quarantined", 1)


def test_bom_is_taken(build, put, run, file_of):
    put("a.json", b"\xef\xbb\xbf" + json.dumps(build.direct()).encode())
    assert file_of(run(), "a.json")["status"] == "ingested"


def test_lone_surrogates_and_odd_texts(build, put, run):
    document = build.direct()
    document["model"] = "a\ud800\0b|\n"
    put("a.json", document)
    (row,) = run().results
    row["model_id"].encode()


def test_depth_that_parses_is_walked(put, run, file_of):
    put("a.json", '{"x": [' * 400 + "1" + "]}" * 400)
    assert file_of(run(), "a.json")["status"] == "no_results"


@pytest.mark.parametrize("name", ["a\nb.json", "a|b.json", "😀 ü.json", "-rf", b"caf\xe9.json"])
def test_odd_names(build, put, run, tmp_path, name):
    (tmp_path / "in").mkdir()
    target = os.path.join(os.fsencode(tmp_path / "in"), os.fsencode(name))  # noqa: PTH118
    with open(target, "wb") as file:  # noqa: PTH123
        file.write(json.dumps(build.direct()).encode())
    ingested = run()
    (row,) = ingested.files
    row["path"].encode()
    assert row["status"] == "ingested"
    assert run(previous=ingested) == ingested


def test_what_is_no_regular_file(put, run, tmp_path, file_of):
    put("sub/config.json", "{}")
    folder = tmp_path / "in"
    os.mkfifo(folder / "pipe.json")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "s"))
    (folder / "device").symlink_to("/dev/null")
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "self").symlink_to(folder / "self")
    (folder / "sub" / "loop").symlink_to(folder)
    ingested = run()
    server.close()
    status = {row["path"].removeprefix(f"{folder}/"): row["status"] for row in ingested.files}
    assert status == {
        "sub/config.json": "no_results",
        **dict.fromkeys(("pipe.json", "s", "device", "broken", "self"), "quarantined"),
    }
    assert "named pipe" in file_of(ingested, "pipe.json")["error"]


def test_link_to_a_folder_elsewhere_is_read(build, put, run, tmp_path):
    put("here.json", build.direct())
    other = tmp_path / "other"
    other.mkdir()
    (other / "there.json").write_text(json.dumps(build.direct()))
    (tmp_path / "in" / "link").symlink_to(other)
    assert [row["path"].rsplit("/", 1)[1] for row in run().files] == ["here.json", "there.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(put, run, file_of):
    put("a.json", "{}").chmod(0)
    folder = put("closed/b.json", "{}").parent
    folder.chmod(0)
    try:
        ingested = run()
    finally:
        folder.chmod(0o700)
    assert file_of(ingested, "a.json")["status"] == "quarantined"
    assert "cannot be listed" in file_of(ingested, "closed")["error"]
