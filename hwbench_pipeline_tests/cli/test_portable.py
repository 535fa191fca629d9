"""The portable way: `hwbench bench --bundle` where only the base install is, and its import elsewhere."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import hwbench_pipeline
from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.schema.tables import OUT__RESULTS
from hwbench_pipeline.warehouse.reading import read_rows

NOT_THERE = ("dagster", "duckdb", "pandas", "pyarrow", "xgboost", "matplotlib", "scipy", "openvino", "playwright")


@pytest.fixture(autouse=True)
def own_host_lock(tmp_path, monkeypatch):
    """Not the machine's: whoever measures here meanwhile would make these tests wait."""
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "host.lock"))


def _needed(name, found):
    """The distributions that a base install brings, each once."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found:
        return found
    try:
        found[key] = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:  # for another platform
        return found
    for text in found[key].requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _needed(requirement.name, found)
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The interpreter of a virtual environment with the base install and nothing else; the packages are links to ours."""
    if os.name == "nt":
        pytest.skip("links to packages need POSIX")
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python3*/site-packages"))
    needed = _needed("hwbench-pipeline", {})
    own = needed.pop("hwbench-pipeline")
    for distribution in needed.values():
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = site / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    (site / "hwbench_pipeline").symlink_to(Path(hwbench_pipeline.__file__).parent)
    del own
    python = folder / "bin" / "python"
    program = f"import importlib.util as u; print([n for n in {NOT_THERE!r} if u.find_spec(n)])"
    present = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert present.stdout.strip() == "[]"
    return python


def bench(python, *arguments, cwd):
    program = "import sys; from hwbench_pipeline.cli import main; main(sys.argv[1:])"
    return [str(python), "-I", "-c", program, "bench", *arguments], {"cwd": cwd}


def test_a_base_install_measures_into_a_bundle(bare, call, tmp_path):
    command, options = bench(
        bare,
        "--hardware",
        "cpu,mps,openvino",
        "--model",
        "bert",
        "--size",
        "tiny",
        "--bundle",
        "b.json.gz",
        cwd=tmp_path,
    )
    finished = subprocess.run(command, **options, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    document = json.loads(gzip.decompress((tmp_path / "b.json.gz").read_bytes()))
    status = {row["hardware"]: row["status"] for row in document["results"]}
    assert status["cpu"] == "ok"
    assert status["mps"] == "no_hardware" or sys.platform == "darwin"
    assert status["openvino"] == "no_hardware"
    assert any(line.endswith(": sample") for line in document["log"])
    assert not (tmp_path / "data").exists()
    called = call("import", "bundle", tmp_path / "b.json.gz", "--warehouse", tmp_path / "w", "--json")
    assert (called.code, called.document["n_measured"]) == (0, 1)
    assert {row["source"] for row in read_rows(tmp_path / "w", OUT__RESULTS)[0]} == {"bundle"}


def test_ctrl_c_keeps_the_cells_that_are_done(tmp_path):
    command, options = bench(
        sys.executable, "--hardware", "cpu", "--model", "bert,vit,detr,t5,whisper", "--bundle", "b.json", cwd=tmp_path
    )
    command[command.index("bench") :] = [*command[command.index("bench") :], "--size", "tiny"]
    with subprocess.Popen(command, **options, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("[3/5]"):
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 1, said
    assert "what was finished before is kept" in said
    document = json.loads((tmp_path / "b.json").read_text())
    assert [row["model"] for row in document["results"]] == ["bert", "vit"]
    assert document["log"][-1] == "stopped by Ctrl-C before the last cell"


@pytest.mark.parametrize(
    ("name", "said"), [("b.txt", "Fix: --bundle b.txt.json.gz"), ("nowhere/b.json", "Fix: mkdir -p nowhere")]
)
def test_a_place_that_no_bundle_can_have_is_refused_before_measuring(call, name, said):
    called = call("bench", "--hardware", "cpu", "--model", "bert", "--size", "tiny", "--bundle", name)
    assert called.code == 2
    assert said in called.err
