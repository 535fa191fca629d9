import pytest

from hwbench_pipeline.legacy.hardware_claims import (
    Attempt,
    device_name_of,
    hardware_key,
    is_remote,
    requested_hardware,
    settle_hardware,
)


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


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Tesla T4", "cuda"),
        ("NVIDIA A100-SXM4-80GB", "cuda"),
        ("H100 PCIe", "cuda"),
        ("Quadro P4000", "cuda"),
        ("RTX A6000", "cuda"),
        ("AMD Instinct MI250", "rocm"),
        ("Radeon RX 7900 XTX", "rocm"),
        ("Apple M2 Max", "mps"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "cpu"),
        ("Intel(R) Core(TM) i7-12700H", "cpu"),
        ("AMD Ryzen 7 5800H with Radeon Graphics", "cpu"),
        ("AMD EPYC 7763 64-Core Processor", "cpu"),
    ],
)
def test_devices_by_their_own_names(name, key):
    assert (hardware_key(name), requested_hardware(name), device_name_of(name)) == (key, key, name)


@pytest.mark.parametrize(
    "name",
    ["Groq LPU", "p50", "p100", "b200", "m1", "l4", "Intel Arc A770", "GeForce RTX 3090, AMD EPYC 7763", "x" * 500],
)
def test_names_of_no_one_platform(name):
    assert (requested_hardware(name), device_name_of(name)) == (name, None)
    assert hardware_of(attempt(hardware_key(name), is_simulated=True), attempt(hardware_key(name))) == [None, None]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"device": "Tesla T4", "is_simulated": True}, ("cuda", "cuda", "Tesla T4")),
        ({"gpu": "NVIDIA A100"}, (None, "cuda", "NVIDIA A100")),
        ({"device": "cuda", "gpu_name": "Tesla T4"}, (None, "cuda", "Tesla T4")),
        ({"device": "gpu", "gpu_name": "Tesla T4"}, (None, "cuda", "Tesla T4")),
        ({"device": "cpu", "gpu_name": "Tesla T4"}, ("cpu", "cpu", None)),
        ({"hardware": "Tesla T4", "device": "cpu"}, ("cpu", "cuda", None)),
        ({"hardware": "Intel(R) Xeon(R) CPU"}, ("cpu", "cpu", "Intel(R) Xeon(R) CPU")),
        ({"hardware": "Frobnicator 9000", "is_simulated": True}, (None, "Frobnicator 9000", None)),
    ],
)
def test_device_names_in_rows(put, run, fields, expected):
    put("a.json", [{"model": "bert-base-uncased", "batch_size": 1, "latency_ms": 8.123456, **fields}])
    (row,) = run().results
    assert (row["hardware"], row["hardware_requested"], row["device_name"]) == expected


ABSENT = [
    {"cuda_available": False},
    {"device_count": 0},
    {"torch_version": "2.1.0+cpu"},
    {"system_info": {"cuda_available": False}},
    {"environment": {"torch_version": "2.1.0+cpu"}},
    {"hardware": {"cuda": False}},
    {"metadata": {"cuda_available": False}},
]


@pytest.mark.parametrize("said", ABSENT, ids=str)
def test_a_run_without_the_device_disproves_the_claim(said):
    around = settle_hardware([attempt("cuda", recorded_device=None, enclosing=(said,))])[0]
    assert around.hardware == "cpu"
    assert around.reason.startswith("ran on the CPU, not on cuda: its run states ")
    assert hardware_of(attempt("cuda", own=said, recorded_device=None, enclosing=())) == ["cpu"]
    assert hardware_of(attempt("cuda", own=said, mean_ms=None, recorded_device=None, enclosing=())) == [None]


@pytest.mark.parametrize(
    ("own", "around"),
    [
        ({"hostname": "gpu-box"}, {"metadata": {"hostname": "laptop", "cuda_available": False}}),
        ({}, {"metadata": {"hostname": "laptop", "torch_version": "2.1.0+cpu"}}),
        ({"hostname": "gpu-box"}, {"hostname": "laptop", "cuda_available": False}),
        ({"cuda_available": True}, {"cuda_available": False}),
        ({}, {"other_run": {"cuda_available": False}}),
        ({}, {"torch_version": "2.1.0+cu121", "device_count": 2}),
    ],
)
def test_what_is_said_of_another_host_or_run_disproves_nothing(own, around):
    assert (
        "on the CPU"
        not in settle_hardware([attempt("cuda", own=own, recorded_device=None, enclosing=(around,))])[0].reason
    )


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ((), "no CPU row stands beside it"),
        ((("cpu", 8.6),), "times that of the CPU row beside it (median of 1), speaks against it without disproving it"),
        ((("cpu", 80.0),), "0.106 times that of the CPU row beside it (median of 1), does not disprove it"),
        ((("cpu", None),), "the CPU row beside it has no measured time of the same configuration to compare with"),
    ],
)
def test_what_is_said_of_the_cpu_row_is_true(beside, said):
    others = [attempt(claimed, mean_ms, enclosing=()) for claimed, mean_ms in beside]
    assert said in settle_hardware([attempt("cuda", enclosing=()), *others])[0].reason
