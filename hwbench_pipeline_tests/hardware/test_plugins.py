"""Platforms of other packages: the package of `docs/how-to/new-platform.md`, installed and run, and broken ones."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.hardware.plugins import GROUP, PluginError, sorted_claims

MAIN = "import sys; from hwbench_pipeline.cli import main; main(sys.argv[1:])"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "new-platform.md"


def hwbench(site, *arguments, state):
    """The command line in a process that sees the packages of `site`."""
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": path, HOST_LOCK_VARIABLE: str(state / "host.lock")},
    )


def rows_of(done):
    """The rows that a `--json` call printed."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout)["rows"]


def distribution(site, name, entry_points, code):
    """A package as pip leaves it: a module and its metadata."""
    site.mkdir(exist_ok=True)
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"{key} = {value}\n" for key, value in entry_points.items())
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}", encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The page's package, installed by pip into a folder of its own."""
    for needed in ("onnxruntime", "onnx", "setuptools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed. Fix: pip install -e '.[dev]'")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (project,), (module,) = blocks("toml"), blocks("python")
    (source / "pyproject.toml").write_text(project, encoding="utf-8")
    (source / "hwbench_onnxruntime.py").write_text(module, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", site, source]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


def test_the_package_of_the_page_adds_its_row_its_cells_and_its_column(installed, tmp_path):
    shown = hwbench(installed, "hardware", "--json", state=tmp_path)
    assert shown.returncode == 0, shown.stderr
    (row,) = [row for row in rows_of(shown) if row["hardware"] == "onnxruntime"]
    assert row["is_available"], row["reason"]
    assert row["platform"] == "onnxruntime"
    assert row["backend"] == "onnxruntime"
    assert row["precisions"] == ["fp32"]
    assert row["supports_training"] is False
    assert row["probe"].startswith("package: hwbench-onnxruntime 1.0; ONNX Runtime on the CPU: onnxruntime.get_av")

    warehouse = tmp_path / "warehouse"
    asked = ("--hardware", "onnxruntime", "--size", "tiny", "--warehouse", warehouse)
    ran = hwbench(
        installed, "bench", *asked, "--model", "bert,vit", "--precision", "fp32,bf16", "--json", state=tmp_path
    )
    rows = rows_of(ran)
    measured = [row for row in rows if row["status"] == "ok"]
    assert {row["model"] for row in measured} == {"bert", "vit"}, ran.stderr
    for row in measured:
        assert row["provenance"] == "measured"
        assert row["hardware"] == "onnxruntime"
        assert row["backend"] == "onnxruntime"
        assert row["output_max_rel_error"] < 1e-3
        assert row["latency_ms_p50"] > 0
        assert row["peak_memory_mb"] > 0
        assert row["compile_ms"] > 0
        assert row["roofline_ms"] is not None
    refused = [row for row in rows if row["precision"] == "bf16"]
    assert {row["status"] for row in refused} == {"unsupported"}
    assert all("runs forward passes in fp32" in row["error_message"] for row in refused)
    trained = hwbench(installed, "bench", *asked, "--model", "bert", "--mode", "training", "--json", state=tmp_path)
    (training,) = rows_of(trained)
    assert training["status"] == "unsupported"
    assert "run inference only" in training["error_message"]

    cells = rows_of(hwbench(installed, "coverage", "--json", "--warehouse", warehouse, state=tmp_path))
    states = {(cell["mode"], cell["model"]): cell["state"] for cell in cells if cell["hardware"] == "onnxruntime"}
    assert states["inference", "bert"] == states["inference", "vit"] == "measured_tiny_only"
    assert states["training", "bert"] == "unsupported"
    assert states["inference", "t5"] == "never_tried"


def test_the_grid_of_dagster_has_the_key(installed, tmp_path):
    program = (
        "import dagster as dg; from hwbench_pipeline.orchestration.partitions import register\n"
        "with dg.DagsterInstance.ephemeral() as instance: print(register(instance).hardware)"
    )
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "'onnxruntime'" in done.stdout


PROTOCOL = """
from hwbench_pipeline.bench.backends.protocol import ProbeAnswer
class Backend:
    title = "a test"
    runtime = "none"
    variants = ("usual",)
    attention = None
    computes_on_host_cpu = False
    def probe(self): return ProbeAnswer(None, "asked nothing")
    def prepare(self, workload): raise OSError("the driver is gone")
"""
BROKEN = {
    "plug-import": (
        "npu-import",
        "import a_module_that_is_not_there\n",
        "No module named 'a_module_that_is_not_there'",
    ),
    "plug-raises": ("npu-raises", PROTOCOL + "    def probe(self): raise OSError('no driver')\n", "OSError: no driver"),
    "plug-exits": ("npu-exits", "import os\nos._exit(3)\n", "exit status 3"),
    "plug-member": ("npu-member", PROTOCOL + "del Backend.title\n", "lacks title"),
    "plug-answer": (
        "npu-answer",
        PROTOCOL + "    def probe(self): return True\n",
        "gave a bool, expected a ProbeAnswer",
    ),
    "plug-precision": (
        "npu-precision",
        PROTOCOL + "    def probe(self): return ProbeAnswer(None, '', precisions=('fp12',))\n",
        "names precisions ['fp12']",
    ),
    "plug-value": ("npu-value", "Backend = 7\n", "gives a int; expected what gives the backend"),
}


def test_a_broken_package_is_absent_with_its_reason_and_disturbs_nothing(tmp_path):
    site = tmp_path / "site"
    for name, (key, code, _) in BROKEN.items():
        distribution(site, name, {key: f"{name.replace('-', '_')}:Backend"}, code)
    distribution(site, "plug-names", {"cpu": "plug_names:Backend", "My NPU": "plug_names:Backend"}, PROTOCOL)
    distribution(site, "plug-one", {"npu-two": "plug_one:Backend"}, PROTOCOL)
    distribution(site, "plug-two", {"npu-two": "plug_two:Backend", "npu-late": "plug_two:Backend"}, PROTOCOL)
    shown = hwbench(site, "hardware", "--json", state=tmp_path)
    assert shown.returncode == 0, shown.stderr
    rows = {row["hardware"]: row for row in rows_of(shown)}
    assert rows["cpu"]["is_available"]
    assert rows["cpu"]["backend"] == "torch"
    assert "My NPU" not in rows
    for key, _, reason in BROKEN.values():
        assert rows[key]["is_available"] is False
        assert reason in rows[key]["reason"]
        assert rows[key]["precisions"] is None
    assert rows["npu-two"]["reason"].endswith(
        "several packages claim npu-two: plug-one, plug-two. Fix: uninstall all but one of them"
    )
    table = hwbench(site, "hardware", state=tmp_path)
    assert "from plug-names: cpu is a platform of hwbench itself. Fix: give it another key" in table.stdout
    assert "'My NPU' is not a valid key" in table.stdout

    asked = ("--model", "bert", "--size", "tiny", "--warehouse", tmp_path / "warehouse", "--json")
    ran = hwbench(site, "bench", "--hardware", "npu-raises,npu-late,cpu", *asked, state=tmp_path)
    by_key = {row["hardware"]: row for row in rows_of(ran)}
    assert (by_key["npu-raises"]["status"], by_key["npu-raises"]["error_class"]) == ("failed", "ProbeFailed")
    assert (by_key["npu-late"]["status"], by_key["npu-late"]["error_class"]) == ("failed", "OSError")
    assert by_key["npu-late"]["latency_ms_p50"] is None
    assert by_key["cpu"]["status"] == "ok"


def test_claims_are_sorted_by_name_alone():
    claims = [EntryPoint(name, "no_such_module:Backend", GROUP) for name in ("npu", "cpu", "a|b", "")]
    found = sorted_claims(claims)
    assert list(found.usable) == ["npu"]
    assert sorted(plugin.key for plugin in found.refused) == ["", "a|b", "cpu"]
    assert all("Fix:" in plugin.refusal for plugin in found.refused)
    with pytest.raises(ModuleNotFoundError):
        found.usable["npu"].load()
    with pytest.raises(PluginError, match="platform of hwbench itself"):
        next(plugin for plugin in found.refused if plugin.key == "cpu").load()
