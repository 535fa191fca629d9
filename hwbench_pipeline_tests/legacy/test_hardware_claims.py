import pytest

from hwbench_pipeline.legacy.hardware_claims import Attempt, hardware_key, is_remote, settle_hardware


def by_claim(ingested):
    return {row["hardware_requested"]: row for row in ingested.results}


@pytest.mark.parametrize(
    ("name", "key"), [("CUDA:0", "cuda"), ("QNN", "qualcomm"), ("OpenVINO", "openvino"), ("Groq", "groq"), (" ", None)]
)
def test_names(name, key):
    assert hardware_key(name) == key


@pytest.mark.parametrize("load_s", [3.1002, 6e-5])
def test_cpu_timings_under_another_name(build, put, run, load_s):
    put("a.json", build.suite(build.attempt("cpu"), build.attempt("cuda", load_s=load_s)))
    rows = by_claim(run())
    assert rows["cpu"]["hardware"] == "cpu"
    assert rows["cuda"]["hardware"] == "cpu"
    assert rows["cuda"]["provenance"] == "measured"
    assert "ran on the CPU, not on cuda" in rows["cuda"]["provenance_reason"]
    assert rows["cuda"]["device_name"] == "Test CPU"
    assert (rows["cuda"]["load_ms"] is None) == (load_s < 1)


def test_claim_without_proof_has_no_hardware(build, put, run):
    put("a.json", build.suite(build.attempt("cpu"), build.attempt("cuda", 0.004, 8.3)))
    row = by_claim(run())["cuda"]
    assert row["hardware"] is None
    assert row["device_name"] is None
    assert "hardware not known: cuda is claimed" in row["provenance_reason"]


def test_memory_allocated_on_the_device_proves_the_claim(build, put, run):
    attempt = build.attempt("cuda", 0.049, 3.1)
    for result in attempt["benchmark_results"].values():
        result["max_memory_allocated"] = 438.2
    put("a.json", build.suite(build.attempt("cpu"), attempt))
    row = by_claim(run())["cuda"]
    assert (row["hardware"], row["device_name"]) == ("cuda", "Test GPU")


def test_device_field_overrules_the_claim(build, put, run):
    put("a.json", build.direct("cuda"))
    (row,) = run().results
    assert (row["hardware"], row["hardware_requested"]) == ("cpu", "cuda")


def test_failed_attempt_keeps_the_platform_it_was_tried_on(build, put, run):
    put("a.json", build.direct("cuda", b8={"success": False, "error": "CUDA out of memory"}))
    (row,) = run().results
    assert (row["hardware"], row["status"], row["provenance"]) == ("cuda", "out_of_memory", "none")


PROBE = {"hardware": {"cpu": True, "cuda": True, "cuda_version": "12.4", "cuda_devices": 1}}


def attempt(claimed, mean_ms=8.5, model="bert", **changes):
    given = {
        "run": None,
        "model": model,
        "claimed": claimed,
        "recorded_device": claimed,
        "point": None,
        "mean_ms": mean_ms,
        "is_failure": False,
        "is_simulated": False,
        "load_s": None,
        "own": {},
        "enclosing": (PROBE,),
    }
    return Attempt(**{**given, **changes})


def hardware_of(*attempts):
    return [finding.hardware for finding in settle_hardware(attempts)]


def test_stated_device_beside_a_probe_that_found_it():
    finding = settle_hardware([attempt("cuda")])[0]
    assert finding.hardware == "cuda"
    assert "the probe beside it found cuda 12.4 with 1 device(s)" in finding.reason


@pytest.mark.parametrize(
    "change",
    [
        {"recorded_device": None},
        {"mean_ms": None},
        {"enclosing": ()},
        {"enclosing": ({"hardware": {"cuda": True}},)},
        {"enclosing": ({"hardware": {"cuda": False, "cuda_version": "12.4", "cuda_devices": 1}},)},
        {"enclosing": ({"hardware": "cuda"},)},
    ],
)
def test_device_that_no_probe_found(change):
    assert hardware_of(attempt("cuda", **change)) == [None]


@pytest.mark.parametrize(("cpu_ms", "expected"), [(80.0, "cuda"), (9.0, None)])
def test_cpu_row_beside_a_probed_device(cpu_ms, expected):
    assert hardware_of(attempt("cuda"), attempt("cpu", cpu_ms)) == [expected, "cpu"]


def means(claimed, *mean_ms):
    return [attempt(claimed, mean, f"m{i}", is_aggregate=True, enclosing=()) for i, mean in enumerate(mean_ms)]


def test_means_over_configurations_like_those_of_the_cpu():
    findings = settle_hardware([*means("cpu", 100.0, 200.0, 300.0), *means("cuda", 101.0, 199.0, 306.0)])
    assert {finding.hardware for finding in findings} == {"cpu"}
    assert "0.995 to 1.020 times" in findings[3].reason


@pytest.mark.parametrize("cuda", [(101.0, 199.0), (101.0, 199.0, 330.0), (11.0, 19.0, 31.0)])
def test_means_that_prove_nothing(cuda):
    assert hardware_of(*means("cpu", 100.0, 200.0, 300.0), *means("cuda", *cuda))[3:] == [None] * len(cuda)


@pytest.mark.parametrize("claim", ["remote", "remote:groq"])
def test_remote_services_keep_their_machines_to_themselves(claim):
    assert is_remote(hardware_key(claim))
    assert hardware_of(attempt(claim)) == [None]


def test_words_that_only_begin_like_remote():
    assert not is_remote("remotely")
    assert not is_remote(None)
