"""The ways from a model to a runtime's graph: the next is tried where one fails or is wrong, and the row says which it was."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hwbench_pipeline.bench import cell
from hwbench_pipeline.bench.backends.onnxruntime import OnnxruntimeBackend
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.judging import WrongOutputError
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import BATCHED, EXPORTED, ROUTES, TRACED, may_take, on_route
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid


def verified(processes, hardware, model, **point):
    (row,) = run_cell(CellPlan(hardware, model, points=(Point(**point),), sampling=ONE_CALL), processes).rows
    require_valid(CORE_BENCH__INFERENCE, [row])
    return row


@pytest.mark.parametrize("model", ["bert", "whisper", "vit"])
def test_onnx_runtime_answers_as_torch_does(processes, model):
    row = verified(processes, "cpu", model, variant="onnxruntime")
    assert (row["status"], row["variant"], row["backend"]) == ("ok", "onnxruntime", "onnxruntime"), row["error_message"]
    assert 0 < row["output_max_rel_error"] < 1e-3
    options = json.loads(row["options"])
    assert (options["provider"], options["route"]) == ("CPUExecutionProvider", TRACED)
    assert row["compile_ms"] > 0


@pytest.mark.parametrize(("hardware", "variant"), [("cpu", "onnxruntime"), ("openvino", None)])
def test_what_cannot_be_traced_is_exported(processes, hardware, variant):
    """Experts chosen by the tokens: a trace of their grouped products cannot be converted."""
    row = verified(processes, hardware, "mixtral", variant=variant)
    assert row["status"] == "ok", row["error_message"]
    assert json.loads(row["options"])["route"] == EXPORTED


def test_experts_that_neither_way_takes_are_batched(processes):
    row = verified(processes, "openvino", "ernie4_5_vl_moe")
    assert row["status"] == "ok", row["error_message"]
    assert json.loads(row["options"])["route"] == BATCHED


def test_models_without_experts_have_nothing_to_batch():
    bert = build_model("bert", "tiny")
    assert [route for route in ROUTES if may_take(route, bert)] == [TRACED, EXPORTED]


def test_experts_compute_as_before_after_a_graph_was_made():
    model = build_model("mixtral", "tiny")
    before = model.get_experts_implementation()
    with on_route(BATCHED, model):
        assert set(model.get_experts_implementation().values()) == {"batched_mm"}
    assert model.get_experts_implementation() == before


@pytest.mark.parametrize(
    ("hardware", "variant", "model", "route"),
    [("cpu", "onnxruntime", "glm4v_moe", EXPORTED), ("openvino", None, "glm_ocr", TRACED)],
)
def test_positions_worked_out_in_python_are_given_to_the_graph(processes, hardware, variant, model, route):
    """A walk over the tokens: torch.export cannot follow it, and a trace of it answers something else on OpenVINO."""
    row = verified(processes, hardware, model, variant=variant)
    assert row["status"] == "ok", row["error_message"]
    options = json.loads(row["options"])
    assert (options["route"], options["computed_outside"]) == (route, ["position_ids"])


def test_sizes_of_images_are_whole_numbers_in_every_family_that_cuts_padding(processes):
    row = verified(processes, "openvino", "llava_next_video")
    assert row["status"] == "ok", row["error_message"]
    assert json.loads(row["options"])["route"] == TRACED


def test_a_precision_that_it_lacks_is_unsupported(processes):
    row = verified(processes, "cpu", "llama", variant="onnxruntime", precision="bf16")
    assert row["status"] == "unsupported"
    assert "runs fp32" in row["error_message"]


class Session:
    """A session whose output is another one's."""

    def __init__(self, made, factor):
        self._made = made
        self._factor = factor

    def __getattr__(self, name):
        return getattr(self._made, name)

    def outputs(self):
        return {name: value * self._factor for name, value in self._made.outputs().items()}


@pytest.mark.parametrize(
    ("factors", "raised", "said"),
    [
        ({TRACED: 2.0, EXPORTED: 1.0}, None, None),
        ({TRACED: 2.0, EXPORTED: None}, WrongOutputError, "torch.jit.trace: WrongOutputError"),
        ({TRACED: None, EXPORTED: None}, cell.NoRouteError, "transformers.exporters: RuntimeError: no such operation"),
    ],
)
def test_a_wrong_output_is_never_taken_and_the_other_route_is_tried(monkeypatch, factors, raised, said):
    plan = CellPlan("cpu", "bert", points=(Point(variant="onnxruntime"),), sampling=ONE_CALL)
    prepare = OnnxruntimeBackend.prepare

    def spoiled(self, workload):
        factor = factors[workload.route]
        if factor is None:
            raise RuntimeError("no such operation")
        return Session(prepare(self, workload), factor)

    monkeypatch.setattr(OnnxruntimeBackend, "prepare", spoiled)
    phases = []
    if raised is None:
        values = cell._measure_inference(plan, plan.points[0], phases.append)
        assert values["options"]["route"] == EXPORTED
        assert values["output_max_rel_error"] < 1e-3
        assert phases.count("compile") == 2
    else:
        with pytest.raises(raised, match=said):
            cell._measure_inference(plan, plan.points[0], phases.append)


def test_openvino_tells_nobody_what_is_converted():
    """In an interpreter of its own: what is imported here already would not be imported anew."""
    program = (
        "import hwbench_pipeline.bench.backends.openvino\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == "openvino.tools.ovc.telemetry_stub"
