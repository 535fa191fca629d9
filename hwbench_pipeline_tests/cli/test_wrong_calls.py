"""Whatever goes wrong is one line on standard error that names the input and the fix, and the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from hwbench_pipeline.cli import main
from hwbench_pipeline.cli.failing import failure_of
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_HARDWARE
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.writing import write_run, write_table
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.cli.conftest import PROGRAM

WRONG_CALL, WORK_FAILED = 2, 1


def one_line(called, code, *named):
    assert called.code == code, called
    assert "Traceback" not in called.err
    assert called.out == ""
    (line,) = called.lines
    assert line.startswith("hwbench")
    assert "Fix: " in line
    assert "hwbench: unexpected" not in line
    assert "fault of hwbench" not in line
    for name in named:
        assert str(name) in line
    return line


BENCH = ("bench", "--model", "bert", "--size", "tiny", "--hardware", "cpu")
TRAIN = (*BENCH, "--mode", "training")
PREDICT = ("predict", "--model", "bert", "--hardware", "cpu")
CALLS = [
    # what the parser refuses
    (("nosuch",), "nosuch"),
    (("--nosuch",), "--nosuch"),
    (("bench", "--nosuch"), "--nosuch"),
    (("bench", "--model"), "--model"),
    (("bench", "extra"), "extra"),
    (("bench", "--json=yes", "--model", "bert"), "--json"),
    (("query",), "SQL"),
    (("query", "select 1", "select 2"), "select 2"),
    (("ingest",), "PATH…"),
    (("predict",), "--model"),
    (("coverage", "--jsn"), "--jsn"),
    (("hardware", "--browsers", "--peaks"), "--browsers", "--peaks"),
    # models
    (("bench",), "--model", "--category", "--all-models", "none of them"),
    (("bench", "--model", "bert", "--all-models"), "--model and --all-models"),
    (("bench", "--model", "bert", "--category", "vision"), "--model and --category"),
    (("bench", "--category", "vision", "--all-models"), "--category and --all-models"),
    (("bench", "--model", "nosuch-model"), "'nosuch-model'", "hwbench models"),
    (("bench", "--model", "bert,nosuch-model"), "'nosuch-model'"),
    (("bench", "--model", "bret"), "'bret'", "bert"),
    (("bench", "--model", "prajjwal1/bert-tiny"), "'prajjwal1/bert-tiny'", "another checkpoint", "ask for bert"),
    (("bench", "--model", "distilbert-base-uncased"), "'distilbert-base-uncased'"),
    (("bench", "--model", ","), "--model"),
    (("bench", "--model", ""), "--model"),
    (("bench", "--category", "nosuch"), "--category 'nosuch'", "vision"),
    (("bench", "--category", ","), "--category"),
    (("models", "--category", "nosuch"), "--category 'nosuch'", "text_encoder"),
    (("predict", "--model", "nosuch-model"), "'nosuch-model'"),
    (("predict", "--model", "google/flan-t5-small"), "another checkpoint", "t5"),
    # points
    ((*BENCH, "--hardware", "tpu"), "'tpu'", "cpu, cuda"),
    ((*BENCH, "--hardware", "cpu,CUDA"), "'CUDA'"),
    ((*BENCH, "--hardware", ""), "--hardware"),
    ((*BENCH, "--hardware", " , "), "--hardware"),
    ((*BENCH, "--mode", "inferense"), "--mode 'inferense'", "inference, training"),
    ((*BENCH, "--mode", ""), "--mode"),
    ((*BENCH, "--size", "huge"), "--size 'huge'", "tiny, reference"),
    ((*BENCH, "--size", "custom"), "--size 'custom'"),
    ((*BENCH, "--size", ""), "--size"),
    ((*BENCH, "--precision", "fp64"), "--precision 'fp64'", "fp32, bf16, fp16"),
    ((*BENCH, "--precision", ","), "--precision"),
    ((*BENCH, "--batch-size", "0"), "--batch-size '0'"),
    ((*BENCH, "--batch-size", "-1"), "--batch-size '-1'"),
    ((*BENCH, "--batch-size", "1,x"), "--batch-size 'x'"),
    ((*BENCH, "--batch-size", "1.5"), "--batch-size '1.5'"),
    ((*BENCH, "--batch-size", "1 8"), "--batch-size '1 8'"),
    ((*BENCH, "--batch-size", "²"), "--batch-size '²'"),
    ((*BENCH, "--batch-size", ""), "--batch-size"),
    ((*BENCH, "--batch-size", "99999999999999999999"), "--batch-size '99999999999999999999'"),
    ((*BENCH, "--batch-size", "9" * 5000), "--batch-size '999"),
    ((*BENCH, "--sequence-length", "long"), "--sequence-length 'long'"),
    ((*BENCH, "--sequence-length", "0"), "--sequence-length '0'"),
    ((*BENCH, "--sequence-length", ""), "--sequence-length"),
    ((*BENCH, "--batch-size", "1,,33"), "--batch-size '1,,33'", "Fix: --batch-size 1,33"),
    ((*BENCH, "--precision", "fp32,"), "--precision 'fp32,'", "Fix: --precision fp32"),
    (("bench", "--model", "bert, ,vit"), "--model 'bert, ,vit'", "Fix: --model bert,vit"),
    # options that would mean nothing beside the others
    ((*BENCH, "--new-tokens", "4"), "--new-tokens 4", "Fix: add --scenario generate"),
    ((*BENCH, "--new-tokens", "32"), "--new-tokens 32"),
    ((*BENCH, "--sound-seconds", "5"), "--sound-seconds 5", "Fix: add --scenario from_sound"),
    ((*BENCH, "--scenario", "from_sound", "--sound-seconds", "0"), "--sound-seconds '0'", "Fix: --sound-seconds 1,5"),
    ((*BENCH, "--scenario", "from_sound", "--sound-seconds", "nan"), "--sound-seconds 'nan'"),
    ((*BENCH, "--mode", "training", "--scenario", "from_sound"), "--scenario from_sound", "Fix: --mode inference"),
    (("web", "serve", "--model", "bert", "--hardware", "cpu"), "--hardware cpu", "wasm,webgpu,webnn"),
    (("web", "serve", "--model", "bert", "--key", __file__), "--certificate and --key"),
    (("web", "serve", "--model", "bert", "--host", "0.0.0.0"), "--host 0.0.0.0", "Fix: --name"),
    ((*BENCH, "--largest-batch", "--batch-size", "4"), "--batch-size 4", "Fix: leave one of the two out"),
    ((*BENCH, "--largest-batch", "--batch-size", "1"), "--batch-size 1"),
    ((*BENCH, "--memory-limit-mb", "100"), "Fix: add --largest-batch"),
    ((*BENCH, "--mode", "training", "--scenario", "generate"), "--scenario generate", "Fix: --mode inference"),
    ((*BENCH, "--variant", "throughput"), "--variant throughput", "cpu", "eager, compile"),
    ((*BENCH, "--variant", "eager,throughput"), "--variant throughput"),
    ((*BENCH, "--hardware", "cuda,rocm", "--variant", "latency"), "--variant latency", "cuda, rocm"),
    ((*BENCH, "--hardware", "webgpu", "--variant", "compile"), "--variant compile", "webgpu"),
    ((*BENCH, "--mode", "training", "--variant", "onnxruntime"), "--variant onnxruntime", "training"),
    ((*BENCH, "--optimizer", "sgd"), "--optimizer", "Fix: add --mode training"),
    (
        (*BENCH, "--lora-rank", "8", "--gradient-checkpointing"),
        "--gradient-checkpointing, --lora-rank",
        "--mode training",
    ),
    ((*TRAIN, "--optimizer", "adamm"), "--optimizer 'adamm'", "adamw, adam, sgd, adafactor"),
    ((*TRAIN, "--learning-rate", "0"), "--learning-rate '0'", "more than 0"),
    ((*TRAIN, "--learning-rate", "inf"), "--learning-rate 'inf'", "more than 0"),
    ((*TRAIN, "--lora-rank", "0"), "--lora-rank '0'", "from 1 on"),
    ((*TRAIN, "--gradient-accumulation", "4"), "--gradient-accumulation 4", "Fix: --batch-size 4"),
    (
        (*TRAIN, "--batch-size", "3,6", "--gradient-accumulation", "4"),
        "3, 6 is no multiple of it",
        "Fix: --batch-size 24",
    ),
    ((*PREDICT, "--hardware", "tpu"), "'tpu'"),
    ((*PREDICT, "--mode", "both"), "--mode 'both'"),
    ((*PREDICT, "--size", "xl"), "--size 'xl'"),
    ((*PREDICT, "--precision", "int8"), "--precision 'int8'"),
    ((*PREDICT, "--batch-size", "many"), "--batch-size 'many'"),
    ((*PREDICT, "--sequence-length", "1,2"), "--sequence-length"),
    # paths
    (("ingest", "nowhere"), "nowhere", "does not exist"),
    (("ingest", ".", "nowhere/at all.json"), "nowhere/at all.json"),
    (("ingest", ".", "--timezone", "Mars/Olympus"), "--timezone 'Mars/Olympus'", "-08:00"),
    (("ingest", ".", "--timezone", "+25:00"), "--timezone '+25:00'"),
    (("ingest", ".", "--timezone", "../../etc/passwd"), "--timezone '../../etc/passwd'"),
]


@pytest.mark.parametrize(
    ("arguments", "named"), [(given[0], given[1:]) for given in CALLS], ids=lambda value: " ".join(map(str, value))[:60]
)
def test_a_wrong_call_is_one_line_and_exit_code_2(call, tmp_path, arguments, named):
    one_line(call(*arguments), WRONG_CALL, *named)
    assert list((tmp_path / "working folder").rglob("*")) == [], "a wrong call made something"


def test_a_verb_that_is_nearly_one_is_guessed_in_whole_sentences(call):
    line = one_line(call("bensh"), WRONG_CALL, "'bensh'", "bench")
    assert "?." not in line
    assert ".." not in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("coverage",),
        ("query", "select 1"),
        PREDICT,
        BENCH,
        ("ingest", "."),
        ("refresh",),
        ("demo",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_warehouse_that_is_a_file(call, tmp_path, monkeypatch, arguments):
    file = tmp_path / "a file"
    file.write_text("not a folder")
    one_line(call(*arguments, "--warehouse", file), WRONG_CALL, "--warehouse", file)
    assert file.read_text() == "not a folder"


@pytest.mark.parametrize(
    "arguments",
    [("coverage",), ("query", "select 1"), PREDICT, BENCH, ("ingest", "."), ("refresh",)],
    ids=lambda arguments: arguments[0],
)
def test_a_warehouse_of_the_environment_that_is_a_file_is_told_before_the_work(call, tmp_path, monkeypatch, arguments):
    file = tmp_path / "a file"
    file.write_text("not a folder")
    monkeypatch.setenv("HWBENCH_WAREHOUSE", str(file))
    one_line(call(*arguments), WORK_FAILED, file)


@pytest.mark.parametrize("arguments", [("coverage",), ("query", "select 1"), PREDICT, ("refresh",)], ids=lambda a: a[0])
def test_a_warehouse_that_is_not_there(call, tmp_path, arguments):
    one_line(call(*arguments, "--warehouse", tmp_path / "nowhere"), WORK_FAILED, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("arguments", [("query", "select 1"), PREDICT], ids=lambda a: a[0])
def test_a_warehouse_without_what_is_asked_for(call, tmp_path, arguments):
    one_line(call(*arguments, "--warehouse", tmp_path), WORK_FAILED, tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "select nosuch from out__results",
        "select * from nosuch",
        "",
        "select 1; select 2",
        "drop table out__results",
        "copy (select 1) to 'out.csv'",
        "select * from read_csv('/etc/passwd')",
        "attach 'x.db'",
        "install httpfs",
        "set enable_external_access = true",
    ],
)
def test_sql_that_cannot_be_answered(call, built, tmp_path, sql):
    one_line(call("query", sql, "--warehouse", built), WRONG_CALL)
    one_line(call("query", sql, "--json", "--warehouse", built), WRONG_CALL)
    assert list((tmp_path / "working folder").iterdir()) == []


def test_a_broken_database(call, built):
    (built / "warehouse.duckdb").write_bytes(b"this is no database")
    one_line(call("query", "select 1", "--warehouse", built), WORK_FAILED, built / "warehouse.duckdb", "delete it")


def test_a_broken_predictor(call, built):
    (built / "artifacts").mkdir()
    (built / "artifacts" / "predictor.json").write_text("{")
    one_line(call(*PREDICT, "--warehouse", built), WORK_FAILED, built / "artifacts" / "predictor.json")


def broken_cell(warehouse):
    path = write_run(warehouse, CORE_BENCH__INFERENCE, Cell("cpu", "vit"), "r", [rows.measured(model="vit")])
    path.write_bytes(path.read_bytes()[:1000])
    return path


def test_a_broken_cell_is_one_line_and_the_others_are_shown(call, built):
    path = broken_cell(built)
    called = call("coverage", "--json", "--warehouse", built)
    assert called.code == WORK_FAILED
    (line,) = called.lines
    assert line.startswith(f"hwbench coverage: left out {path}: ")
    assert "Fix: delete it; `hwbench bench --hardware cpu --model vit --mode inference` measures the cell again" in line
    assert called.document["cells_by_state"]["inference"]["measured"] == 1
    assert "measured" in call("coverage", "--warehouse", built).out


def test_a_broken_cell_does_not_keep_the_database_from_answering(call, built):
    path = broken_cell(built)
    called = call("query", "select model from core_bench__inference", "--json", "--warehouse", built)
    assert called.code == WORK_FAILED
    assert called.document["rows"] == [{"model": "bert"}]
    (line,) = called.lines
    assert line.startswith(f"hwbench query: left out {path}: ")


def test_a_database_that_is_older_than_the_tables_says_so_and_answers(call, built):
    write_run(built, CORE_BENCH__INFERENCE, Cell("cpu", "vit"), "r", [rows.measured(model="vit")])
    called = call("query", "select count(*) n from core_bench__inference", "--json", "--warehouse", built)
    assert (called.code, called.document["rows"]) == (0, [{"n": 1}])
    (line,) = called.lines
    assert "1 table file is newer than the database" in line
    assert "Fix: `hwbench refresh`" in line


def test_a_batch_of_old_results_that_is_broken_is_not_overwritten(call, tmp_path):
    (tmp_path / "old.json").write_text("{}")
    arguments = ("ingest", tmp_path / "old.json", "--warehouse", tmp_path / "w")
    assert call(*arguments).code == 0
    (manifest,) = (tmp_path / "w").glob("legacy_batches/*/batch.json")
    manifest.write_text("{")
    called = call(*arguments)
    assert called.code == WORK_FAILED
    assert called.out == ""
    (line,) = [line for line in called.lines if line.startswith("hwbench")]
    assert str(manifest.parent) in line
    assert "Fix: restore it from a backup" in line
    assert manifest.read_text() == "{"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ingest", "{closed}"), WRONG_CALL),
        (("ingest", "{closed}/inside.json"), WRONG_CALL),
        (("coverage", "--warehouse", "{closed}"), WRONG_CALL),
        (("query", "select 1", "--warehouse", "{closed}"), WRONG_CALL),
    ],
    ids=["ingest folder", "ingest inside", "coverage", "query"],
)
def test_a_folder_that_cannot_be_read(program, tmp_path, unprivileged, arguments, code):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        called = program(*(argument.format(closed=closed) for argument in arguments), before=unprivileged)
    finally:
        closed.chmod(0o700)
    one_line(called, code, closed)


def test_a_warehouse_that_cannot_be_written_is_told_before_anything_is_measured(program, tmp_path, unprivileged):
    folder = tmp_path / "read only"
    folder.mkdir(mode=0o555)
    called = program(*BENCH, "--warehouse", folder, before=unprivileged)
    one_line(called, WORK_FAILED, folder, "make", "writable")


def test_predicting_without_measured_peaks_says_so(call, predicting):
    write_table(predicting, CORE_HARDWARE, [])
    one_line(call("predict", "--model", "bert", "--warehouse", predicting), WORK_FAILED, "peaks", predicting)


def test_predicting_beside_a_broken_table_of_hardware_names_it(call, predicting):
    path = predicting / "core_hardware.parquet"
    path.write_bytes(path.read_bytes()[:500])
    called = call("predict", "--model", "bert", "--hardware", "cpu", "--json", "--warehouse", predicting)
    assert called.code == WORK_FAILED
    (line,) = called.lines
    assert str(path) in line
    assert "Fix: " in line


def test_a_fault_of_ours_says_so_and_how_to_report_it():
    text, code = failure_of(RuntimeError("some\nthing"))
    assert code == WORK_FAILED
    assert text.startswith("unexpected RuntimeError: some thing. Fix: this is a fault of hwbench; HWBENCH_TRACEBACK=1")


def test_a_missing_package_names_the_extra():
    text, code = failure_of(ModuleNotFoundError("No module named 'duckdb'", name="duckdb"))
    assert code == WORK_FAILED
    assert "duckdb is not installed" in text
    assert "Fix: pip install 'hwbench-pipeline[pipeline]'" in text
    ours, _ = failure_of(ModuleNotFoundError("No module named 'hwbench_pipeline.x'", name="hwbench_pipeline.x"))
    assert "pip install" not in ours


def test_no_arguments_show_the_help(capfd):
    with pytest.raises(SystemExit) as stopped:
        main([])
    printed = capfd.readouterr()
    assert stopped.value.code == WRONG_CALL
    assert "hwbench demo" in printed.out + printed.err
    assert "unexpected" not in printed.err


def test_a_reader_that_stops_reading_is_no_fault(tmp_path, built):
    with subprocess.Popen(
        [str(PROGRAM), "coverage", "--json", "--warehouse", str(built)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert said == ""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_control_c_stops_and_says_so(tmp_path):
    with subprocess.Popen(
        [str(PROGRAM), *BENCH, "--warehouse", str(tmp_path / "w")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stderr.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=60)
    assert first.startswith("[1/1] cpu × bert")
    assert process.returncode == WORK_FAILED
    assert out == ""
    assert "Traceback" not in rest
    assert rest.splitlines()[-1] == "hwbench: stopped; what was finished before is kept"
