"""timm's tables: every line a row, what the name states, and lines that contradict themselves."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.imports.timm import name_evidence, read
from hwbench_pipeline_tests.imports.conftest import EXTERNAL, options, reported

HEADER = (
    "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts"
)
NAME = "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090-dynamo.csv"

RESULT_FILES = sorted(EXTERNAL.glob("timm/benchmark-*.csv"))


def table(*lines, header=HEADER):
    return "\n".join([header, *lines]) + "\n"


@pytest.mark.parametrize("path", RESULT_FILES, ids=lambda path: path.name)
def test_every_line_of_a_published_file_is_one_row_with_its_numbers(path):
    lines = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    document = read(path.read_bytes(), path.name)
    prefix = "train" if "train_step_time" in lines[0] else "infer"
    assert not document.refused
    assert len(document.rows) == len(lines)
    for line, row in zip(lines, document.rows, strict=True):
        expected = {
            "model_id": line["model"],
            "latency_ms_mean": float(line[f"{prefix}_step_time"]) if line[f"{prefix}_step_time"] else None,
            "throughput_items_per_s": float(line[f"{prefix}_samples_per_sec"])
            if line[f"{prefix}_samples_per_sec"]
            else None,
            "batch_size": int(float(line[f"{prefix}_batch_size"])) if line[f"{prefix}_batch_size"] else None,
        }
        assert {name: row.columns.get(name) for name in expected} == expected
        assert f"batch_size={expected['batch_size'] or ''};" in row.pointer


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_text_that_says_its_encoding_is_read_in_it(encoding):
    line = "vit_base_patch16_224,224,1000.0,256.0,256,86.57,16.87,16.49"
    plain = read(table(line).encode(), NAME)
    assert [row.columns for row in read(table(line).encode(encoding), NAME).rows] == [row.columns for row in plain.rows]
    assert len(plain.rows) == 1


def test_the_published_folder_imports_completely(external, bring):
    tables = bring("timm", external / "timm")
    n_lines = {path.as_posix(): len(path.read_text().splitlines()) - 1 for path in RESULT_FILES}
    for file in tables.files:
        if file["path"] in n_lines:
            n_rows = sum(row["source_path"] == file["path"] for row in tables.results)
            assert (file["status"], n_rows) == ("ingested", n_lines[file["path"]])
        else:
            assert (file["status"], file["n_records"]) == ("no_results", 0)
            assert "expected model and infer_step_time" in file["error"]
    assert len(tables.results) == sum(n_lines.values()) > 0


def test_a_line_becomes_columns(read):
    (row,) = read("timm", table("somenet_a,224,2000.0,64.0,128,5.29,0.4,6.8"), NAME).rows
    assert (row["source"], row["model_id"], row["mode"], row["scenario"]) == (
        "timm",
        "somenet_a",
        "inference",
        "forward",
    )
    assert (row["latency_ms_mean"], row["throughput_items_per_s"], row["batch_size"]) == (64.0, 2000.0, 128)
    assert (row["n_parameters"], row["input_shape"]) == (5_290_000, "img_size=224")
    assert (row["hardware"], row["device_name"], row["precision"]) == ("cuda", "NVIDIA GeForce RTX 3090", "mixed")
    assert (row["backend"], row["backend_version"]) == ("torch", "2.4.0")
    assert options(row) == {"library": "timm", "compile": "dynamo", "precision_stated": "amp", "memory_layout": "nhwc"}
    assert reported(row) == {"param_count": "5.29", "infer_gmacs": "0.4", "infer_macts": "6.8"}
    assert row["provenance"] == "measured"
    assert "file's name" in row["provenance_reason"]
    assert row["samples_ms"] is None
    assert row["n_samples"] is None


def test_the_same_model_at_other_sizes_is_another_row_and_a_repeated_line_is_not(bring, tmp_path):
    line = "somenet_a,224,2000.0,64.0,128,5.29,0.4,6.8"
    path = tmp_path / "t.csv"
    other_numbers = "somenet_a,224,2010.0,63.7,128,5.29,0.4,6.8"
    other_batch, other_image = "somenet_a,224,1000.0,64.0,64,5.29,0.4,6.8", "somenet_a,288,2000.0,64.0,128,5.29,0.7,6.8"
    path.write_text(table(line, other_batch, other_image, other_numbers, line))
    tables = bring("timm", path)
    (file,) = tables.files
    assert (file["n_records"], file["n_measured"], file["n_duplicates"]) == (5, 4, 1)
    assert sorted((row["batch_size"], row["input_shape"]) for row in tables.results) == [
        (64, "img_size=224"),
        (128, "img_size=224"),
        (128, "img_size=224"),
        (128, "img_size=288"),
    ]


def test_training_tables_are_training(read):
    header = "model,train_samples_per_sec,train_step_time,train_batch_size,train_img_size,param_count"
    (row,) = read("timm", table("somenet_a,1000.0,64.0,64,224,5.29", header=header), "t.csv").rows
    assert (row["mode"], row["scenario"], row["batch_size"]) == ("training", "train_step", 64)


def test_what_the_name_does_not_state_is_null(read):
    (row,) = read("timm", table("somenet_a,224,2000.0,64.0,128,5.29,0.4,6.8"), "results.csv").rows
    for name in ("hardware", "device_name", "precision", "backend_version", "environment_id"):
        assert row[name] is None, name
    assert "nothing" in row["provenance_reason"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("somenet_a,224,3000.0,64.0,128,5.29,0.4,6.8", "3000 samples/s stated, batch 128 in 64 ms is 2000"),
        ("somenet_a,224,2000.0,64.0,128,5.29,400,6.8", "1600 TFLOP/s claimed"),
    ],
)
def test_a_line_that_contradicts_itself_or_the_device_is_unknown(read, line, reason):
    (row,) = read("timm", table(line), NAME).rows
    assert row["provenance"] == "unknown"
    assert reason in row["provenance_reason"]
    assert (row["flags"] == ["faster_than_roofline"]) == ("TFLOP" in reason)


def test_rounding_of_a_slow_row_is_no_contradiction(read):
    (row,) = read("timm", table("somenet_huge,1024,0.05,21270.331,1,637.03,1493.86,2553.78"), "t.csv").rows
    assert row["provenance"] == "measured"


def test_a_line_without_numbers_is_a_failed_run_and_a_broken_cell_is_put_aside(read):
    lines = (
        "somenet_a,224,,,,5.29,0.4,6.8",
        "somenet_b,224,fast,64.0,128,5.29,0.4,6.8",
        "somenet_c,224",
        "somenet_d,224,-1,64,8,,,",
    )
    reading = read("timm", table(*lines), NAME)
    (row,) = reading.rows
    assert (row["status"], row["provenance"], row["model_id"]) == ("failed", "none", "somenet_a")
    assert reading.n_quarantined == 3
    assert "'fast', expected a number above zero" in reading.error
    assert "2 cells, expected 8" in reading.error


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"model,pretrain\na,in1k\n", "no_results"),
        (b"model,top1,top1_err\na,80,20\n", "no_results"),
        (b"{}", "no_results"),
        (b"", "quarantined"),
        (b"\xff\xfem", "quarantined"),
        (b"\xff\xfe\x00m", "no_results"),
        (b'model,infer_step_time\n"a,1\n', "quarantined"),
        (b"model,infer_step_time\n", "no_results"),
    ],
)
def test_what_is_no_result_table_says_why(read, content, status):
    reading = read("timm", content, "t.csv")
    assert (reading.status, reading.rows) == (status, ())
    assert "Fix:" in reading.error


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv",
            ("cuda", "NVIDIA GeForce RTX 3090", "mixed", "1.13", "11.7"),
        ),
        (
            "benchmark-infer-amp-nchw-pt291-cu128-4090.csv",
            ("cuda", "NVIDIA GeForce RTX 4090", "mixed", "2.9.1", "12.8"),
        ),
        ("benchmark-infer-fp32-nchw-pt221-cpu-i9_10940x.csv", ("cpu", "Intel Core i9-10940X", "fp32", "2.2.1", None)),
        (
            "benchmark-infer-fp32-nchw-pt2100-cu130-rtx5090.csv",
            ("cuda", "NVIDIA GeForce RTX 5090", None, "2.10.0", "13.0"),
        ),
        ("benchmark-4090.csv", (None, None, None, None, None)),
        ("benchmark-cu128-cpu.csv", (None, None, None, None, "12.8")),
    ],
)
def test_the_name_states(name, expected):
    evidence = name_evidence(name)
    found = (evidence.hardware, evidence.device_name, evidence.precision, evidence.torch_version, evidence.cuda_version)
    assert found == expected


@given(st.text(max_size=60))
def test_any_name_states_something_or_nothing(name):
    evidence = name_evidence(name)
    assert evidence.hardware in (None, "cpu", "cuda")
