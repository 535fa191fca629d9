"""Cells measured in visitors' own browsers: a person opens a page, its browser is measured, and a result bundle comes of it.

Belongs here: what a visitor is asked to measure, the rows, and the bundle. Does not belong here: the page and the way to it
(`bench.backends.web`), or what the command line says (`cli.web`).

The cells are those of any other platform, measured by the same steps (`cell`), with the models' reference outputs computed here
and every call timed there. What is not known of the other computer is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.backends.web.backend import WebBackend
from hwbench_pipeline.bench.backends.web.serving import LOOPBACK, LOOPBACK_NAMES, PageServer
from hwbench_pipeline.bench.backends.web.visitor import Desk, Visitor, VisitorLeftError, visitor_opener
from hwbench_pipeline.bench.cell import run_job
from hwbench_pipeline.bench.engine import CellExecution, CellRecord, cell_run_id, distinct_points, log_of, new_run_id
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.recording import Row
from hwbench_pipeline.hardware.browsers import RUNTIME_FIX, web_runtime_version
from hwbench_pipeline.hardware.environment import distant_environment_row
from hwbench_pipeline.hardware.probing import visitor_probe
from hwbench_pipeline.hardware.web_questions import QUESTIONS
from hwbench_pipeline.imports.bundle_format import write_bundle

_BY_VISITOR = "in a page that a person opened in their own browser, by its clock"
_QUESTIONS_FILE = {"questions.js": f"export const ask = {QUESTIONS};\n".encode()}


class ServingError(Exception):
    """The page cannot be served."""


@dataclass(frozen=True)
class Place:
    """Where the page is served: see `PageServer`."""

    host: str = LOOPBACK
    port: int = 0
    names: tuple[str, ...] = LOOPBACK_NAMES
    certificate: tuple[Path, Path] | None = None


@dataclass(frozen=True)
class Visit:
    """One visitor, and what came of it: the executions, and the bundle's file where there was anything to write."""

    visitor: Visitor
    executions: list[CellExecution]
    bundle: Path | None
    has_left: bool


def serve_visits(
    plans: Sequence[CellPlan],
    folder: Path,
    place: Place,
    *,
    on_open: Callable[[str], None],
    on_step: Callable[[str], None],
    on_visit: Callable[[Visit], None],
    n_visits: int | None = None,
) -> None:
    """Serve the page and measure one visitor after the other, each into a bundle in the folder; for ever where no number is given.

    `on_open` is told the address once it is open, `on_step` what happens, `on_visit` each visit that ended. Raises `ServingError`.
    """
    if web_runtime_version() is None:
        raise ServingError(f"onnxruntime-web, which the page runs models with, is not installed. Fix: {RUNTIME_FIX}")
    desk = Desk([{"model": plan.model, "hardware": plan.hardware} for plan in plans])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        server = PageServer(
            _QUESTIONS_FILE,
            listeners=desk.listeners,
            host=place.host,
            port=place.port,
            names=place.names,
            certificate=place.certificate,
        )
    except OSError as error:
        raise ServingError(
            f"cannot serve on {place.host}:{place.port} into {folder}: {error.strerror or error}. Fix: another --port or --output, "
            "or a certificate in PEM with its key"
        ) from error
    with server:
        on_open(f"{server.address}visit.html")
        done = 0
        while n_visits is None or done < n_visits:
            visitor = desk.wait()
            on_step(f"{visitor.machine}: {visitor.browser} came")
            on_visit(_measured(plans, folder, desk, server, visitor, on_step))
            done += 1


def _measured(
    plans: Sequence[CellPlan],
    folder: Path,
    desk: Desk,
    server: PageServer,
    visitor: Visitor,
    on_step: Callable[[str], None],
) -> Visit:
    run_id = new_run_id()
    executions: list[CellExecution] = []
    has_left = False
    for number, plan in enumerate(plans):

        def show(outcome: str, *, p50_ms: str = "", number: int = number, plan: CellPlan = plan) -> None:
            on_step(f"{visitor.machine}, {plan.name}: {outcome}")
            desk.ask("tell", cell=number, outcome=outcome, done=number, of=len(plans), p50_ms=p50_ms)

        try:
            show("loading")
            execution = run_visited_cell(plan, desk, server, visitor, cell_run_id(run_id, number), show)
            executions.append(execution)
            outcome, p50_ms = _in_words(execution.rows)
            show(outcome, p50_ms=p50_ms)
        except VisitorLeftError as error:
            on_step(f"{visitor.machine}: {error}")
            has_left = True
            break
    bundle = _bundle(folder, run_id, executions) if executions else None
    if bundle is not None:
        server.serve({**_QUESTIONS_FILE, f"bundles/{bundle.name}": bundle})
    rows = [row for execution in executions for row in execution.rows]
    n_measured = sum(row["status"] == "ok" for row in rows)
    summary = f"Done: measured {n_measured} of {len(rows)}. The others say why."
    desk.dismiss(
        {
            "summary": summary,
            "bundle": f"bundles/{bundle.name}" if bundle else "",
            "name": bundle.name if bundle else "",
        }
    )
    return Visit(visitor, executions, bundle, has_left)


def _bundle(folder: Path, run_id: str, executions: Sequence[CellExecution]) -> Path:
    environments = {row["environment_id"]: row for execution in executions for row in execution.environments}
    return write_bundle(
        folder / f"hwbench-{run_id}.json.gz",
        [row for execution in executions for row in execution.rows],
        list(environments.values()),
        log=[line for execution in executions for line in execution.log],
    )


def _in_words(rows: Sequence[Row]) -> tuple[str, str]:
    """What the visitor is shown of a cell: what came of it, and the median in milliseconds where there is one."""
    first = rows[0]
    median = first.get("latency_ms_p50")
    if median is None:
        return f"{first['status']}: {first['error_message']}"[:300], ""
    flags = ", ".join(first.get("flags") or ())
    right = f"right to {first['output_max_rel_error']:.1e}, {first['n_samples']} calls"
    return f"{right}; {flags}" if flags else right, f"{float(f'{median:.3g}'):g}"


def run_visited_cell(
    plan: CellPlan,
    desk: Desk,
    server: PageServer,
    visitor: Visitor,
    run_id: str,
    on_phase: Callable[[str], None],
) -> CellExecution:
    """One cell in a visitor's page. Whatever goes wrong in it becomes a row. Raises `VisitorLeftError` where the visitor left."""
    found = visitor_probe(plan.hardware, visitor.facts, machine=visitor.machine)
    record = CellRecord(
        plan, run_id, found, environment=partial(_environment, visitor, found.device_name), measured_by=_BY_VISITOR
    )
    if found.absence is not None:
        return record.for_absence(found)
    points: list[Point] = distinct_points(plan)
    events: list[Mapping[str, Any]] = []

    def hear(event: Mapping[str, Any]) -> None:
        events.append(event)
        if event["event"] == "phase":
            on_phase(event["phase"])
        elif event.get("error_class") == VisitorLeftError.__name__:
            raise VisitorLeftError(event["error_message"])

    backend = WebBackend(plan.hardware, visitor_opener(desk, server, visitor, _QUESTIONS_FILE))
    run_job({"plan": replace(plan, points=tuple(points)).to_json()}, hear, backend=backend)
    record.log += log_of(plan, points, events)
    record.take(events, points)
    return record.execution()


def _environment(
    visitor: Visitor,
    device_name: str | None,
    threads: Sequence[int | None],
    libraries: Mapping[str, str] | None,
) -> Row:
    cores = visitor.facts.get("hardware_concurrency")
    platform = visitor.facts.get("platform")
    return distant_environment_row(
        machine=visitor.machine,
        operating_system_name=platform if isinstance(platform, str) else None,
        n_logical_cores=cores if isinstance(cores, int) and cores > 0 else None,
        device_name=device_name,
        n_threads=threads[0],
        libraries={**(libraries or {}), "browser": visitor.browser},
    )
