"""Exporting catalog models to ONNX, each in a process of its own, and the rows that say what came of it.

Belongs here: trying the routes of a model and size one after the other, and the rows of core_models__onnx. Does not belong
here: the exporters (`bench.backends.onnx_files`), or where the files lie (`bench.backends.onnx_store`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwbench_pipeline.bench.isolation import CellProcesses, Limits
from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.hardware.host_lock import host_lock
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.schema.tables import CORE_MODELS__ONNX
from hwbench_pipeline.warehouse.reading import read_part
from hwbench_pipeline.warehouse.writing import write_part

if TYPE_CHECKING:
    from hwbench_pipeline.bench.backends.onnx_store import Kept

STEP = "step"
"""As `catalog.generating` names it, which imports torch: the row of a generation of which no graph was made."""
PHASE_TIMEOUT_S = 600.0
"""For one route of one model: transformers' exporter takes minutes for some."""
_TOLD = 400


def run_job(job: Mapping[str, Any], emit: Callable[[Mapping[str, Any]], object]) -> None:
    """Export one model at one size: its forward pass, and where it generates the stages of a generation, each by the first route
    whose files give torch's outputs. Emits `exported` per graph, or `failed` per route; `generates` stands between the two."""
    from hwbench_pipeline.bench.backends.onnx_store import kept_export, kept_generation
    from hwbench_pipeline.catalog.exporting import graph_inputs
    from hwbench_pipeline.catalog.inputs import forced_tokens

    def forward(model: Any, given: dict[str, Any], route: str) -> list[dict[str, Any]]:
        export = kept_export(model, graph_inputs(model, given), route)
        return [_described(export, Path(export.graph.program), export.files, export.graph.replaced)]

    def generation(model: Any, given: dict[str, Any], route: str) -> list[dict[str, Any]]:
        kept = kept_generation(model, given, forced_tokens(model.config, 1, 1), route)
        return [
            {"stage": stage.name, **_described(kept, stage.path, stage.files, stage.replaced)} for stage in kept.stages
        ]

    if _export(job, emit, forward, use_cache=False):
        emit({"event": "generates"})
        _export(job, emit, generation, use_cache=True)


def _export(
    job: Mapping[str, Any],
    emit: Callable[[Mapping[str, Any]], object],
    exported: Callable[[Any, dict[str, Any], str], list[dict[str, Any]]],
    *,
    use_cache: bool,
) -> bool:
    """Try the routes one after the other. Returns whether the model generates."""
    from hwbench_pipeline.bench.backends.web.backend import WebBackend
    from hwbench_pipeline.catalog.building import build_model
    from hwbench_pipeline.catalog.exporting import may_take
    from hwbench_pipeline.catalog.inputs import input_shape_text, make_inputs

    generates = False
    for route in WebBackend.routes:
        step = "building it"
        try:
            # built for each route: an export that failed half-way may leave the model changed
            model: Any = build_model(
                job["model"],
                job["size"],
                seed=job["seed"],
                attn_implementation=WebBackend.attention,
                use_cache=use_cache,
            )
            generates = bool(getattr(model, "can_generate", lambda: False)())
            if not may_take(route, model):
                continue
            step = route
            emit({"event": "phase", "route": route})
            given = make_inputs(job["model"], model.config, batch_size=1, seed=job["seed"])
            graphs = exported(model, given, route)
        except Exception as error:  # noqa: BLE001 - the next route may do; if none does, this is the row
            emit({"event": "failed", "route": step, "error_class": type(error).__name__, "message": _told(error)})
            if step != route:
                break
            continue
        for graph in graphs:
            emit({"event": "exported", "route": route, "input_shape": input_shape_text(given), **graph})
        break
    return generates


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:_TOLD] or type(error).__name__


def _described(kept: Kept, path: Path, files: Sequence[Path], replaced: Sequence[str]) -> dict[str, Any]:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    opset = next((found.version for found in model.opset_import if found.domain in ("", "ai.onnx")), None)
    return {
        "export_sha256": kept.sha256,
        "file": str(path),
        "file_bytes": sum(file.stat().st_size for file in files),
        "opset": opset,
        "n_nodes": len(model.graph.node),
        "input_names": [value.name for value in model.graph.input],
        "output_names": [value.name for value in model.graph.output],
        "replaced_in_trace": list(replaced),
        "export_ms": kept.export_ms,
        "output_max_rel_error": kept.output_max_rel_error,
    }


def export_models(
    warehouse: Path,
    model: str,
    sizes: Sequence[str],
    processes: CellProcesses,
    *,
    seed: int = 0,
    on_phase: Callable[[str, str], object] = lambda *_: None,
    on_wait: Callable[[str], None] | None = None,
) -> list[Row]:
    """Export one model at these sizes and write its rows beside those of other sizes; `on_phase` is told each size and route
    as it begins, `on_wait` what it waits for: nothing else is measured meanwhile.

    A size that no route could export is a row with the reason. Raises `IsolationError` where no process can be started.
    """
    rows: list[Row] = []
    for size in sizes:

        def hear(event: Mapping[str, Any], size: str = size) -> None:
            if event["event"] == "phase":
                on_phase(size, event["route"])

        with host_lock(holder=f"hwbench export of {model}", on_wait=on_wait, timeout_s=None):
            outcome = processes.run(
                {"model": model, "size": size, "seed": seed}, Limits(PHASE_TIMEOUT_S), on_event=hear
            )
        facts = model_facts(model, size)
        death = outcome.limit or f"its process ended with exit code {outcome.exit_code}"
        rows += [
            {
                "model": model,
                "model_size": size,
                "model_id": facts.model_id,
                "config_sha256": facts.config_sha256,
                "exported_at": datetime.now(UTC),
                **values,
            }
            for values in _values_of_graphs(outcome.events, death)
        ]
    stored, _ = read_part(warehouse, CORE_MODELS__ONNX, model)
    others = [row for row in stored if row["model_size"] not in sizes]
    write_part(warehouse, CORE_MODELS__ONNX, model, [*rows, *others])
    return rows


def _values_of_graphs(events: Sequence[Mapping[str, Any]], death: str) -> list[dict[str, Any]]:
    """The columns of each graph's row; `death` is how the process ended, which had more to tell where it told nothing at its end."""
    names = [event["event"] for event in events]
    if "generates" not in names:
        return _values(events, death)
    parting = names.index("generates")
    generation = _values(events[parting + 1 :], death)
    return _values(events[:parting], death) + [{"stage": STEP, **values} for values in generation]


def _values(events: Sequence[Mapping[str, Any]], death: str) -> list[dict[str, Any]]:
    """The columns of a row for each graph of a forward pass, or of a generation."""
    exported = [event for event in events if event["event"] == "exported"]
    if exported:
        return [
            {"status": "ok", **{name: value for name, value in event.items() if name != "event"}} for event in exported
        ]
    failures = [event for event in events if event["event"] == "failed"]
    tried = [event["route"] for event in events if event["event"] == "phase"]
    told = [f"{event['route']}: {event['error_class']}: {event['message']}" for event in failures]
    if (tried and tried[-1] not in {event["route"] for event in failures}) or not failures:
        told.append(f"{tried[-1] if tried else 'starting'}: {death}")
    classes = {event["error_class"] for event in failures}
    error_class = "WrongOutputError" if "WrongOutputError" in classes else "NoRouteError"
    return [{"status": "failed", "error_class": error_class, "error_message": "; ".join(told)}]
