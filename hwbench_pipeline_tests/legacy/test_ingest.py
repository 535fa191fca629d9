"""Every file has one row, every fact one, whatever was ingested before."""

import copy

import pytest


def test_every_status(build, put, run, file_of):
    put("a.json", build.suite())
    put("b.json", build.suite())
    put("c.json", (put("a.json", build.suite())).read_bytes())
    put("config.json", {"batch_sizes": [1, 2]})
    put("master.json", build.master(vision={"status": "error", "error": "SyntaxError: x"}))
    put("empty_suite.json", build.suite(benchmarks={}))
    put("other.json", [{"latency_ms": 12.5}, {"latency_ms": 13.5, "tokensPerSecond": 4}])
    put("vocabulary.json", {**{f"w{i}": i for i in range(600)}, "latency": 601, "throughput": 602})
    put("process.json", {"return_code": 0, "elapsed_time": 12.5})
    put("notes.md", "Latency and throughput of nothing.\n")
    put("broken.json", '{"a": 1')
    ingested = run()
    status = {row["path"].rsplit("/", 1)[1]: row["status"] for row in ingested.files}
    assert status == {
        "a.json": "ingested",
        "b.json": "ingested",
        "c.json": "duplicate",
        "config.json": "no_results",
        "master.json": "no_results",
        "empty_suite.json": "no_results",
        "other.json": "quarantined",
        "vocabulary.json": "no_results",
        "process.json": "no_results",
        "notes.md": "no_results",
        "broken.json": "quarantined",
    }
    assert file_of(ingested, "other.json")["n_quarantined"] == 2
    assert file_of(ingested, "c.json")["n_duplicates"] == 4
    assert "SyntaxError" in file_of(ingested, "master.json")["error"]
    assert "truncated" in file_of(ingested, "broken.json")["error"]


@pytest.mark.parametrize("names", [("a.json", "z.json"), ("z.json", "a.json")])
def test_nested_copy_is_one_fact_in_the_original_file(build, put, run, file_of, names):
    suite = build.suite(build.attempt(), {"status": "failed", "error": "boom", "model_name": "x", "hardware": "cpu"})
    suite["benchmarks"]["embedding"]["x"]["cpu"]["timestamp"] = "2025-01-02T03:04:05.678901"
    original, master = names
    put(original, suite)
    put(master, build.master(embedding=copy.deepcopy(suite)))
    ingested = run()
    assert {row["source_path"].rsplit("/", 1)[1] for row in ingested.results} == {original}
    file = file_of(ingested, master)
    assert (file["status"], file["n_records"], file["n_duplicates"]) == ("ingested", 5, 5)
    assert "stand in the results already" in file["error"]


def test_simulated_constants_of_two_runs_are_two_records(build, put, run):
    put("a.json", build.web())
    put("b.json", build.web(timestamp="2025-03-05T19:33:42.662252"))
    assert len(run().results) == 2


def test_pieces_give_what_the_whole_gives(build, put, run):
    suite = build.suite()
    paths = [
        put("m/master.json", build.master(embedding=suite)),
        put("z/copy.json", suite),
        put("a/original.json", suite),
        put("d/direct.json", build.direct()),
    ]
    whole = run()
    step = None
    for path in paths:
        step = run(path, previous=step)
    assert step.without_ingests() == whole.without_ingests()


def test_ingesting_twice_changes_nothing(build, put, run):
    put("a.json", build.suite())
    put("b.json", build.master(embedding=build.suite()))
    first = run()
    assert run(previous=first) == first


def test_rows_of_other_and_vanished_files_stay(build, put, run, tmp_path):
    gone, kept = put("x/gone.json", build.suite()), put("y/kept.json", build.direct())
    first = run()
    gone.unlink()
    assert run(tmp_path / "in" / "x", previous=first) == first
    assert run(gone, previous=first) == first
    assert run(kept, previous=first) == first


def test_changed_file_is_replaced_and_keeps_first_seen(build, put, run, file_of):
    put("a.json", build.suite())
    first = run()
    put("a.json", build.direct())
    second = run(previous=first)
    assert len(second.results) == 1
    assert len(second.environments) == 0
    assert file_of(second, "a.json")["first_seen_at"] == file_of(first, "a.json")["first_seen_at"]


def test_copy_takes_over_when_the_original_changes(build, put, run, file_of):
    suite = build.suite()
    original = put("a.json", suite)
    put("nested/master.json", build.master(embedding=suite))
    put("nested/twin.json", suite)
    first = run()
    put("a.json", build.direct())
    second = run(original, previous=first)
    assert file_of(second, "twin.json")["n_measured"] == 4
    assert file_of(second, "master.json")["n_duplicates"] == 4
    assert len(second.results) == 5


def test_path_that_never_was(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist.*Fix"):
        run(tmp_path / "nothing")


def test_progress_counts_every_file(build, put, run):
    put("a.json", build.direct())
    put("b.json", "{")
    seen = []
    run(on_progress=lambda done, total, path: seen.append((done, total, path.rsplit("/", 1)[1])))
    assert seen == [(1, 2, "a.json"), (2, 2, "b.json")]


def test_a_record_that_is_the_whole_document_has_the_empty_pointer(put, run):
    put("flat.json", {"model": "bert-base-uncased", "device": "cpu", "batch_size": 4, "latency_ms": 12.345678})
    ingested = run()  # which checks every table against the schema
    assert [row["source_pointer"] for row in ingested.results] == [""]
    assert ingested.results[0]["latency_ms_mean"] == 12.345678
