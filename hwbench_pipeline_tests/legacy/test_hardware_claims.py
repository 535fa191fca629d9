import pytest

from hwbench_pipeline.legacy.hardware_claims import hardware_key


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
