"""optimum-benchmark: three generations, and each known error corrected with the reported value kept."""

from __future__ import annotations

import copy
import csv
import io
import json
import statistics

import pytest

from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline_tests.imports.conftest import options, reported, said

SAMPLES = [0.5, 0.25, 0.75, 0.3125, 0.6875]
MEAN = statistics.fmean(SAMPLES)


def latency(values, **changes):
    ordered = sorted(values)
    return {
        "unit": "s",
        "values": list(values),
        "count": len(values),
        "total": sum(values),
        "mean": statistics.fmean(values),
        "p50": statistics.median(values),
        "p90": ordered[-1],
        "p95": ordered[-1],
        "p99": ordered[-1],
        "stdev": statistics.pstdev(values),
        "stdev_": 100 * statistics.pstdev(values) / statistics.fmean(values),
    } | changes


def target(values, volume=None, unit="samples/s", **changes):
    throughput = None if volume is None else {"unit": unit, "value": volume / statistics.fmean(values)}
    return {
        "memory": None,
        "latency": latency(values),
        "throughput": throughput,
        "energy": None,
        "efficiency": None,
    } | changes


def configuration(**backend):
    return {
        "name": "made_up",
        "backend": {
            "name": "pytorch",
            "version": "9.1.0",
            "_target_": "somewhere",
            "model": "bert-base-uncased",
            "task": "text-classification",
            "library": "transformers",
            "model_type": "bert",
            "device": "cpu",
            "device_ids": None,
            "inter_op_num_threads": None,
            "intra_op_num_threads": None,
            "torch_dtype": None,
        }
        | backend,
        "scenario": {"name": "inference", "warmup_runs": 3, "input_shapes": {"batch_size": 4, "sequence_length": 16}},
        "launcher": {"name": "process"},
        "environment": {
            "cpu": " Some CPU",
            "cpu_count": 8,
            "cpu_ram_mb": 16123.4,
            "python_version": "3.99",
            "optimum_benchmark_version": "0.6.0",
        },
    }


def document(report, config=None):
    return {"config": config or configuration(), "report": report}


def training_configuration(batch_size=4, accumulation=2):
    config = configuration()
    config["scenario"] = {
        "name": "training",
        "max_steps": 5,
        "warmup_steps": 2,
        "dataset_shapes": {"sequence_length": 16},
        "training_arguments": {"per_device_train_batch_size": batch_size, "gradient_accumulation_steps": accumulation},
    }
    return config


def rows_of(reading):
    assert reading.status == "ingested", reading.error
    return {row["scenario"]: row for row in reading.rows}


def test_a_report_becomes_a_row_for_each_target(read):
    report = {"load_model": target([0.5]), "first_forward": target([0.125]), "forward": target(SAMPLES, 4)}
    rows = rows_of(read("optimum-benchmark", document(report)))
    assert set(rows) == {"load", "first_forward", "forward"}
    row = rows["forward"]
    assert row["source_pointer"] == "/report/forward"
    samples = [1000 * value for value in SAMPLES]
    assert row["samples_ms"] == samples
    assert {name: row[name] for name in latency_statistics(samples)} == latency_statistics(samples)
    assert row["latency_ms_p99"] is None
    assert row["throughput_items_per_s"] == pytest.approx(4 / MEAN)
    assert (row["load_ms"], row["first_inference_ms"], row["n_warmup"]) == (500.0, 125.0, 3)
    assert (row["model_id"], row["model"], row["architecture"]) == ("bert-base-uncased", "bert", "bert")
    assert (row["backend"], row["backend_version"], row["hardware"], row["device_name"]) == (
        "torch",
        "9.1.0",
        "cpu",
        "Some CPU",
    )
    assert (row["batch_size"], row["sequence_length"], row["precision"]) == (4, 16, None)
    assert row["harness_version"] == "optimum-benchmark 0.6.0"
    assert row["provenance"] == "measured"
    assert (rows["load"]["batch_size"], rows["load"]["latency_ms_mean"], rows["load"]["n_warmup"]) == (
        None,
        500.0,
        None,
    )


def test_b1_training_throughput_is_divided_by_the_count(read):
    values = {"overall": SAMPLES, "warmup": SAMPLES[:2], "train": SAMPLES[2:]}
    report = {name: target(own, len(own) * 8) for name, own in values.items()}
    rows = rows_of(read("optimum-benchmark", document(report, training_configuration())))
    assert set(rows) == {"overall", "warmup", "train_step"}
    for name, own in (("overall", SAMPLES), ("train_step", SAMPLES[2:])):
        row = rows[name]
        assert row["throughput_items_per_s"] == pytest.approx(8 / statistics.fmean(own))
        assert reported(row)["throughput"]["value"] / row["throughput_items_per_s"] == pytest.approx(len(own))
        assert f"B1 throughput is inflated by latency.count: reported / recomputed = {len(own)} = count" in said(row)
        assert (row["mode"], row["batch_size"], row["provenance"]) == ("training", 8, "measured")


def test_a_right_training_throughput_is_left_alone_and_a_wrong_one_is_unknown(read):
    right = rows_of(read("optimum-benchmark", document({"train": target(SAMPLES, 8)}, training_configuration())))[
        "train_step"
    ]
    assert (right["provenance"], right["throughput_items_per_s"]) == ("measured", pytest.approx(8 / MEAN))
    assert "B1" not in said(right)
    wrong = rows_of(read("optimum-benchmark", document({"train": target(SAMPLES, 24)}, training_configuration())))[
        "train_step"
    ]
    assert (wrong["provenance"], wrong["throughput_items_per_s"]) == ("unknown", None)
    assert "24 items a step, expected 8" in wrong["provenance_reason"]
    assert reported(wrong)["throughput"]["value"] == pytest.approx(24 / MEAN)


def test_b1_without_a_configuration_needs_targets_that_agree(read):
    both = {"warmup": target(SAMPLES[:2], 2 * 8), "train": target(SAMPLES[2:], 3 * 8)}
    rows = rows_of(read("optimum-benchmark", both))
    assert rows["train_step"]["throughput_items_per_s"] == pytest.approx(8 / statistics.fmean(SAMPLES[2:]))
    assert (rows["train_step"]["mode"], rows["train_step"]["hardware"], rows["train_step"]["batch_size"]) == (
        "training",
        None,
        None,
    )
    alone = rows_of(read("optimum-benchmark", {"train": target(SAMPLES, 40)}))["train_step"]
    assert alone["throughput_items_per_s"] is None
    assert reported(alone)["throughput"]["value"] == pytest.approx(40 / MEAN)


def generating(report):
    config = configuration(task="text-generation", model="gpt2", model_type="gpt2")
    config["scenario"]["generate_kwargs"] = {"max_new_tokens": 9, "min_new_tokens": 9}
    return document(report, config)


@pytest.mark.parametrize("has_configuration", [True, False])
def test_b2_tokens_called_samples(read, has_configuration):
    report = {
        "prefill": target(SAMPLES[:3], 4),
        "decode": target(SAMPLES[1:4], 32, "tokens/s"),
        "generate": target(SAMPLES, 32),
    }
    rows = rows_of(read("optimum-benchmark", generating(report) if has_configuration else report))
    row = rows["generate"]
    assert row["throughput_items_per_s"] == pytest.approx(4 / MEAN)
    assert row["tokens_per_s"] == pytest.approx(32 / MEAN)
    assert reported(row)["throughput"] == {"unit": "samples/s", "value": pytest.approx(32 / MEAN)}
    assert "B2" in said(row)
    assert row["provenance"] == "measured"
    assert rows["decode"]["tokens_per_s"] == pytest.approx(32 / statistics.fmean(SAMPLES[1:4]))
    assert "B2" not in said(rows["prefill"])


def test_a_right_generate_throughput_is_left_alone(read):
    row = rows_of(read("optimum-benchmark", generating({"generate": target(SAMPLES, 4)})))["generate"]
    assert (row["throughput_items_per_s"], row["tokens_per_s"]) == (pytest.approx(4 / MEAN), None)
    older = rows_of(read("optimum-benchmark", generating({"generate": target(SAMPLES, 36, "tokens/s")})))["generate"]
    assert (older["throughput_items_per_s"], older["tokens_per_s"]) == (None, pytest.approx(36 / MEAN))


def test_per_token_is_the_time_of_an_output_token(read):
    row = rows_of(read("optimum-benchmark", generating({"per_token": target(SAMPLES)})))["per_token"]
    assert row["time_per_output_token_ms"] == row["latency_ms_mean"] == pytest.approx(1000 * MEAN)


def on_gpu(gpu, count, vram, **backend):
    config = configuration(device="cuda", **backend)
    config["environment"] |= {"gpu": gpu, "gpu_count": count, "gpu_vram_mb": vram}
    return config


MEMORY = {
    "unit": "MB",
    "max_ram": 900.5,
    "max_global_vram": 5000.0,
    "max_process_vram": 4000.0,
    "max_reserved": 3000.0,
    "max_allocated": 2500.0,
}


@pytest.mark.parametrize(
    ("stated", "expected", "is_corrected"), [(16106127360, 16106.12736, True), (16106.0, 16106.0, False)]
)
def test_b3_video_memory_in_bytes(bring, tmp_path, stated, expected, is_corrected):
    path = tmp_path / "benchmark.json"
    path.write_text(
        json.dumps(document({"forward": target(SAMPLES, 4, memory=MEMORY)}, on_gpu(["Tesla X"], 1, stated)))
    )
    tables = bring("optimum-benchmark", path)
    (row,), (environment,) = tables.results, tables.environments
    assert environment["device_memory_mb"] == expected
    assert (row["hardware"], row["device_name"], row["peak_memory_mb"]) == ("cuda", "Tesla X", 2500.0)
    assert ("B3" in said(row)) == is_corrected
    assert reported(row)["memory"]["max_process_vram"] == 4000.0


def test_several_devices_are_not_divided_and_mixed_ones_not_named(read):
    rows = rows_of(
        read("optimum-benchmark", document({"forward": target(SAMPLES, 4)}, on_gpu(["A", "A", "B"], 3, 3e10)))
    )
    assert rows["forward"]["device_name"] is None
    rows = rows_of(
        read(
            "optimum-benchmark",
            document({"forward": target(SAMPLES, 4)}, on_gpu(["A", "A", "B"], 3, 3e10, device_ids="0,1")),
        )
    )
    assert rows["forward"]["device_name"] == "2 x A"


def test_b4_the_cpu_loses_its_space_and_keeps_it_as_reported(read):
    row = rows_of(read("optimum-benchmark", document({"forward": target(SAMPLES, 4)})))["forward"]
    assert (row["device_name"], reported(row)["cpu"]) == ("Some CPU", " Some CPU")
    assert "B4" in said(row)


def test_b5_memory_and_name_on_rocm_are_not_the_device_s(read):
    config = on_gpu(["Advanced Micro Devices, Inc. [AMD/ATI]"], 1, 3e10, version="2.1.0+rocm5.6")
    memory = MEMORY | {"max_allocated": None, "max_reserved": None}
    row = rows_of(read("optimum-benchmark", document({"forward": target(SAMPLES, 4, memory=memory)}, config)))[
        "forward"
    ]
    assert (row["hardware"], row["device_name"], row["peak_memory_mb"]) == ("rocm", None, None)
    assert reported(row)["memory"]["max_global_vram"] == 5000.0
    assert "B5" in said(row)


def test_b6_swapped_threads_are_unknown(bring, tmp_path):
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(document({"forward": target(SAMPLES, 4)}, configuration(intra_op_num_threads=2))))
    tables = bring("optimum-benchmark", path)
    (row,), (environment,) = tables.results, tables.environments
    assert (environment["threads_intra_op"], environment["threads_inter_op"]) == (None, None)
    assert reported(row)["threads"] == {"intra_op_num_threads": 2}
    assert "B6" in said(row)


def test_b7_a_copied_deviation_is_left_out(read):
    copied = target(SAMPLES, 4)
    copied["latency"]["stdev_"] = copied["latency"]["stdev"]
    row = rows_of(read("optimum-benchmark", document({"forward": copied})))["forward"]
    assert "B7" in said(row)
    assert row["latency_ms_std"] == pytest.approx(1000 * statistics.stdev(SAMPLES))


def test_b8_energy_of_no_gpu_and_estimates_are_not_measured(read):
    energy = {"unit": "kWh", "cpu": 1e-6, "ram": 2e-6, "gpu": 0.0, "total": 3e-6}
    row = rows_of(read("optimum-benchmark", document({"forward": target(SAMPLES, 4, energy=energy)})))["forward"]
    assert (row["energy_j"], row["energy_source"]) == (None, "not taken: codecarbon estimates it")
    assert reported(row)["energy"] == energy
    assert "B8" in said(row)


def test_energy_of_a_gpu_s_counter_is_taken_in_joules(read):
    energy = {"unit": "kWh", "cpu": 1e-6, "ram": 2e-6, "gpu": 5e-6, "total": 8e-6}
    row = rows_of(
        read("optimum-benchmark", document({"forward": target(SAMPLES, 4, energy=energy)}, on_gpu(["G"], 1, 1e10)))
    )["forward"]
    assert row["energy_j"] == pytest.approx(18.0)
    assert "GPU alone" in row["energy_source"]


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ({"torch_dtype": "float16"}, "fp16"),
        ({"torch_dtype": "torch.bfloat16"}, "bf16"),
        ({"torch_dtype": "float32"}, "fp32"),
        ({"torch_dtype": "float32", "allow_tf32": True, "device": "cuda"}, "tf32"),
        ({"torch_dtype": "float16", "autocast_enabled": True}, "mixed"),
        ({"torch_dtype": "float16", "quantization_config": {"bits": 4}}, "int4"),
        ({"torch_dtype": "float16", "quantization_config": {"load_in_8bit": True}}, "int8"),
        ({"torch_dtype": "float16", "quantization_scheme": "gptq"}, None),
        ({"torch_dtype": "auto"}, None),
        ({}, None),
    ],
)
def test_precision_only_where_it_is_stated(read, backend, expected):
    row = rows_of(read("optimum-benchmark", document({"forward": target(SAMPLES, 4)}, configuration(**backend))))[
        "forward"
    ]
    assert row["precision"] == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda stated: stated.update(mean=stated["mean"] * 1.01), "not that of the samples"),
        (lambda stated: stated.update(count=99), "99 samples stated, 5 given"),
        (lambda stated: stated.update(values=[0.5] * 5, mean=0.5), "all 500 ms"),
        (lambda stated: stated["values"].append("x"), "not all numbers above zero"),
        (lambda stated: stated["values"].append(-1.0), "not all numbers above zero"),
    ],
)
def test_a_latency_that_contradicts_itself_is_unknown(read, change, reason):
    contradicting = target(SAMPLES)
    change(contradicting["latency"])
    row = rows_of(read("optimum-benchmark", document({"forward": contradicting})))["forward"]
    assert row["provenance"] == "unknown"
    assert reason in row["provenance_reason"]


def test_a_throughput_of_another_batch_is_unknown(read):
    row = rows_of(read("optimum-benchmark", document({"forward": target(SAMPLES, 5)})))["forward"]
    assert (row["provenance"], row["throughput_items_per_s"]) == ("unknown", None)
    assert "5 items a call, expected 4" in row["provenance_reason"]


def test_the_second_generation_has_neither_percent_nor_values(read):
    older = {"unit": "s", "count": 101, "mean": 0.5, "p50": 0.4, "p90": 0.75, "p95": 0.8, "p99": 0.9, "stdev": 0.1}
    report = {
        "forward": {"memory": None, "latency": older, "throughput": {"unit": "samples/s", "value": 8.0}, "energy": None}
    }
    row = rows_of(read("optimum-benchmark", document(report)))["forward"]
    assert (row["samples_ms"], row["n_samples"], row["latency_ms_p99"], row["latency_ms_min"]) == (
        None,
        101,
        900.0,
        None,
    )
    assert row["latency_ms_std"] == pytest.approx(100 * (101 / 100) ** 0.5)
    assert "without raw samples" in row["provenance_reason"]
    report["forward"]["latency"] = older | {"count": 10}
    assert rows_of(read("optimum-benchmark", document(report)))["forward"]["latency_ms_p99"] is None


@pytest.mark.parametrize(
    ("traceback", "status", "error_class"),
    [
        (
            "Traceback (most recent call last):\n  …\ntorch.cuda.OutOfMemoryError: CUDA out of memory",
            "out_of_memory",
            "OutOfMemoryError",
        ),
        ("Traceback\nValueError: no such model\n", "failed", "ValueError"),
    ],
)
def test_a_failed_run_is_a_row_without_numbers(read, traceback, status, error_class):
    (row,) = read("optimum-benchmark", document({"traceback": traceback})).rows
    assert (row["status"], row["error_class"], row["provenance"]) == (status, error_class, "none")
    assert row["error_message"] == traceback.splitlines()[-1]
    assert row["model_id"] == "bert-base-uncased"


def flattened(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: member
        for name, inner in value.items()
        for key, member in flattened(inner, f"{prefix}.{name}" if prefix else name).items()
    }


def as_table(*flats):
    names = list(dict.fromkeys(name for flat in flats for name in flat))
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(flats)
    return out.getvalue()


def comparable(reading):
    hidden = ("result_id", "source_path", "source_sha256", "source_pointer")
    return [{name: value for name, value in row.items() if name not in hidden} for row in reading.rows]


def test_flat_json_and_csv_say_the_same_as_the_nested_file(read):
    report = {
        "load_model": target([0.5]),
        "prefill": target(SAMPLES, 4),
        "generate": target(SAMPLES, 32, memory=MEMORY),
    }
    nested = generating(report)
    flat = flattened(nested)
    expected = comparable(read("optimum-benchmark", nested))
    assert len(expected) == 3
    as_json, as_csv = read("optimum-benchmark", flat), read("optimum-benchmark", as_table(flat, flat), "report.csv")
    assert comparable(as_json) == expected
    assert comparable(as_csv) == expected * 2
    assert as_json.rows[2]["source_pointer"] == "/report.generate"
    assert as_csv.rows[5]["source_pointer"] == "/1/report.generate"


def test_one_run_in_several_files_counts_once_where_most_is_said(bring, tmp_path):
    whole = document({"forward": target(SAMPLES, 4)})
    (tmp_path / "z_benchmark.json").write_text(json.dumps(whole))
    (tmp_path / "benchmark_report.json").write_text(json.dumps(whole["report"]))
    (tmp_path / "benchmark_config.json").write_text(json.dumps(whole["config"]))
    tables = bring("optimum-benchmark", tmp_path)
    assert [row["model_id"] for row in tables.results] == ["bert-base-uncased"]
    by_name = {file["path"].rpartition("/")[2]: file for file in tables.files}
    assert by_name["benchmark_report.json"]["n_duplicates"] == 1
    assert by_name["benchmark_config.json"]["status"] == "no_results"


FIRST = "backend.name,backend.version,backend.torch_dtype,benchmark.name,benchmark.input_shapes.batch_size,benchmark.input_shapes.sequence_length,model,device,task,environment.cpu,environment.gpus"
FIRST_CELLS = (
    "pytorch,2.0.1,float16,inference,16,512,some/llama,cuda,text-generation, Some CPU,\"['NVIDIA A', 'NVIDIA A']\""
)


def first_generation(names, cells):
    return f"{FIRST},Unnamed: 0,{names}\n{FIRST_CELLS},0,{cells}\n"


def test_the_first_generation_is_read_from_its_columns(read):
    names = "forward.latency(s),forward.throughput(samples/s),forward.peak_memory(MB),generate.latency(s),generate.throughput(tokens/s)"
    reading = read("optimum-benchmark", first_generation(names, "0.838,19.1,28107,4.3,372.0"), "full_report.csv")
    rows = rows_of(reading)
    assert reading.shape == "optimum_benchmark_0.0"
    forward, generate = rows["forward"], rows["generate"]
    assert (forward["latency_ms_mean"], forward["throughput_items_per_s"], forward["peak_memory_mb"]) == (
        838.0,
        19.1,
        28107.0,
    )
    assert (generate["latency_ms_mean"], generate["tokens_per_s"]) == (4300.0, 372.0)
    assert (forward["hardware"], forward["device_name"], forward["precision"], forward["batch_size"]) == (
        "cuda",
        "NVIDIA A",
        "fp16",
        16,
    )
    assert forward["provenance"] == "measured"


def test_b9_calls_and_tokens_of_one_item(read):
    names = "forward.latency(s),forward.throughput(iter/s),generate.throughput(tok/s)"
    rows = rows_of(read("optimum-benchmark", first_generation(names, "0.5,2.0,30.0"), "inference_results.csv"))
    assert rows["forward"]["throughput_items_per_s"] == 32.0
    assert rows["generate"]["tokens_per_s"] == 480.0
    assert all("B9" in said(row) for row in rows.values())
    assert reported(rows["generate"])["throughput(tok/s)"] == "30.0"
    alone = rows_of(read("optimum-benchmark", "forward.latency(s),forward.throughput(iter/s)\n0.5,2.0\n", "r.csv"))[
        "forward"
    ]
    assert alone["throughput_items_per_s"] is None


def test_b9_the_overall_training_rate_with_its_misprint(read):
    names = "warmup.runtime(s),warmup.throughput(samples/s),training.runtime(s),training.throughput(samples/s),overall_training.runtime(s),overall_training.throughput(samles/s)"
    table = f"{names}\n8.0,10.0,6.0,20.0,16.0,7.5\n"
    rows = rows_of(read("optimum-benchmark", table, "training_results.csv"))
    assert rows["overall"]["throughput_items_per_s"] == pytest.approx((80 + 120) / 16)
    assert "B9" in said(rows["overall"])
    assert reported(rows["overall"])["throughput(samles/s)"] == "7.5"
    assert rows["train_step"]["throughput_items_per_s"] == 20.0
    assert rows["train_step"]["latency_ms_mean"] is None  # a runtime is no step
    assert {row["mode"] for row in rows.values()} == {"training"}


def test_first_generation_numbers_that_contradict_each_other_are_unknown(read):
    names = "forward.latency(s),forward.throughput(samples/s)"
    row = rows_of(read("optimum-benchmark", first_generation(names, "0.838,25.0"), "r.csv"))["forward"]
    assert row["provenance"] == "unknown"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"emissions": 1, "energy_consumed": 2}, "no_results"),
        (configuration(), "no_results"),
        ({}, "no_results"),
        ([1, "x", None, {}], "no_results"),
        ("# load_model:\n| a | b |\n", "no_results"),
        ("a,b\n1,2\n", "no_results"),
        ('{"report": ', "quarantined"),
        ("", "quarantined"),
        ('{"a": 1, "a": 2}', "quarantined"),
        ("[" * 10_000 + "]" * 10_000, "quarantined"),
        ({"report": {"forward": {"latency": {"unit": "furlongs", "mean": 1}}}}, "quarantined"),
        ({"report": {"forward": {"latency": {"unit": "s", "values": []}}}}, "quarantined"),
    ],
)
def test_what_gives_no_row_says_why(read, content, status):
    reading = read("optimum-benchmark", content)
    assert (reading.status, reading.rows) == (status, ())
    assert reading.error


def test_the_published_files(external, bring):
    tables = bring("optimum-benchmark", external / "optimum_benchmark")
    rows = {(row["source_path"].rpartition("/")[2], row["scenario"]): row for row in tables.results}
    assert len(rows) == len(tables.results) == 15
    for scenario, count in (("overall", 20), ("warmup", 5), ("train_step", 15)):
        row = rows["benchmark_train.json", scenario]
        assert reported(row)["throughput"]["value"] / row["throughput_items_per_s"] == pytest.approx(count)
        assert "B1" in said(row)
    generate = rows["benchmark_gpt2.json", "generate"]
    assert reported(generate)["throughput"]["value"] / generate["throughput_items_per_s"] == pytest.approx(15)
    assert "B2" in said(generate)
    assert rows["benchmark_bert_energy.json", "forward"]["energy_j"] is None
    assert "B8" in said(rows["benchmark_bert_energy.json", "forward"])
    assert "B6" in said(rows["benchmark_bert.json", "forward"])
    assert options(generate)["generate_kwargs"]["max_new_tokens"] == 16
    by_name = {file["path"].rpartition("/")[2]: file for file in tables.files}
    assert by_name["report_gpt2.csv"]["n_duplicates"] == by_name["report_gpt2.csv"]["n_records"] == 6
    assert by_name["forward_codecarbon.json"]["status"] == "no_results"


def test_each_number_of_a_published_file_is_in_it(external, read):
    document = json.loads((external / "optimum_benchmark" / "benchmark_gpt2.json").read_text())
    for row in read("optimum-benchmark", copy.deepcopy(document)).rows:
        name = row["source_pointer"].rpartition("/")[2]
        stated = document["report"][name]["latency"]
        assert row["samples_ms"] == pytest.approx([1000 * value for value in stated["values"]])
        assert row["latency_ms_mean"] == pytest.approx(1000 * stated["mean"])
        assert row["latency_ms_p90"] == pytest.approx(1000 * stated["p90"])
