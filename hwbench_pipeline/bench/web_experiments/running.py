"""Running experiments on this machine's browser, and the rows of what they show.

Belongs here: opening pages for each experiment, and the rows of core_bench__web_experiments. An experiment that cannot be tried
is a row with the reason.
"""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.backends.web.browser import BrowserPage, PageError
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.web_experiments import audio_kernel, component_loading, shader_compilation
from hwbench_pipeline.bench.web_experiments.comparing import WRONG, effect
from hwbench_pipeline.hardware.browsers import adapter_name, is_software_adapter, web_runtime_version
from hwbench_pipeline.hardware.condition import OthersMeter
from hwbench_pipeline.hardware.environment import cpu_name, harness_version
from hwbench_pipeline.hardware.probing import browser_of, probe
from hwbench_pipeline.hardware.web_questions import BROWSER_FLAGS
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.schema.tables.web_experiments import CORE_BENCH__WEB_EXPERIMENTS, EXPERIMENTS
from hwbench_pipeline.warehouse.writing import write_part

_PAGE = "experiments.html"


@dataclass(frozen=True)
class Asked:
    """How much of each experiment: seconds of sound, rounds, and the size of the models."""

    sound_s: tuple[float, ...] = (1.0, 30.0)
    n_rounds: int = 12
    shader_model: str = "vit"
    size: str = "tiny"


@dataclass
class _Run:
    """The run's identity and what it has found."""

    run_id: str
    asked: Asked
    on_step: Callable[[str], object]
    started_at: datetime
    rows: list[Row]

    def add(self, experiment: str, subject: str, hardware: str, **values: Any) -> None:
        """A row, completed by what all rows of the run share."""
        found = probe(hardware)
        row = {
            "run_id": self.run_id,
            "experiment": experiment,
            "subject": subject,
            "hardware": hardware,
            "device_name": found.device_name or "not told",
            "is_software": found.is_software or False,
            "cpu_name": cpu_name(),
            "harness_version": harness_version(),
            "started_at": self.started_at,
        }
        self.rows.append(CORE_BENCH__WEB_EXPERIMENTS.complete(row | values))

    def add_samples(
        self,
        experiment: str,
        subject: str,
        hardware: str,
        metric: str,
        baseline: str,
        samples: Mapping[str, Sequence[float]],
        errors: Mapping[str, float] | None = None,
        **shared: Any,
    ) -> None:
        """A row per variant. One that is among `errors` and has no samples gave a wrong output."""
        base = samples.get(baseline, ())
        for name in [*samples, *(set(errors or {}) - set(samples))]:
            values: dict[str, Any] = {"metric": metric, "variant": name, "n_rounds": len(base), **shared}
            values["output_max_rel_error"] = (errors or {}).get(name)
            if name not in samples:
                values |= {"verdict": WRONG, "baseline": baseline, "n_rounds": 0}
            else:
                values |= {"samples_ms": list(samples[name]), "latency_ms_p50": statistics.median(samples[name])}
            if name in samples and name != baseline and not base:
                values |= {
                    "error_message": f"the baseline {baseline} gave a wrong output: there is nothing to compare with"
                }
            elif name in samples and name != baseline:
                found = effect(samples[name], base, n_comparisons=len(samples) - 1)
                values |= {
                    "baseline": baseline,
                    "ratio": found.ratio,
                    "ratio_low": found.low,
                    "ratio_high": found.high,
                    "verdict": found.verdict,
                }
            self.add(experiment, subject, hardware, **values)

    def add_failure(self, experiment: str, subject: str, hardware: str, metric: str, error: Exception) -> None:
        """A row that says why an experiment could not be tried."""
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        self.add(experiment, subject, hardware, metric=metric, variant="all", n_rounds=0, error_message=text)


def run_experiments(
    warehouse: Path,
    names: Sequence[str] = EXPERIMENTS,
    asked: Asked = Asked(),
    *,
    on_step: Callable[[str], object] = lambda _: None,
) -> list[Row]:
    """Run experiments one after the other and store their rows; `on_step` is told what begins."""
    run = _Run(uuid.uuid4().hex, asked, on_step, datetime.now(UTC), [])
    for name in names:
        _RUN[name](run)
    write_part(warehouse, CORE_BENCH__WEB_EXPERIMENTS, run.run_id, run.rows)
    return run.rows


def _audio_workgroups(run: _Run) -> None:
    for seconds in run.asked.sound_s:
        subject = f"log-mel spectrogram of {seconds:g} s"
        run.on_step(f"{subject}: workgroup sizes")
        try:
            files = dict(audio_kernel.files_for(seconds))
            browser = _browser("webgpu")
            with PageServer(files) as server, BrowserPage(browser, BROWSER_FLAGS) as page, OthersMeter() as others:
                page.open(f"{server.address}{_PAGE}")
                found = audio_kernel.sweep(server, page, seconds, run.asked.n_rounds)
                told = f"{browser.name} {page.version}"
        except (PageError, NotTriedError) as error:
            run.add_failure("audio_workgroups", subject, "webgpu", "spectrogram_ms", error)
            continue
        run.add_samples(
            "audio_workgroups",
            subject,
            "webgpu",
            "spectrogram_ms",
            audio_kernel.BASELINE,
            found.samples_ms,
            found.max_rel_error,
            browser=told,
            others_busy_cores=others.busy_cores,
            device_name=adapter_name(found.adapter),
            is_software=is_software_adapter(found.adapter),
        )


def _shader_precompilation(run: _Run) -> None:
    subject = f"{run.asked.shader_model} {run.asked.size}"
    try:
        browser = _browser("webgpu")
        workload = shader_compilation.workload_of(run.asked.shader_model, run.asked.size)
        with OthersMeter() as others:
            found = shader_compilation.compare(
                workload,
                run.asked.n_rounds,
                on_round=lambda number: run.on_step(
                    f"{subject}: shaders cold, precompiled and warm, round {number + 1} of {run.asked.n_rounds}"
                ),
            )
    except (PageError, NotTriedError) as error:
        run.add_failure("shader_precompilation", subject, "webgpu", shader_compilation.FIRST_CALL_MS, error)
        return
    for metric, samples in found.items():
        run.add_samples(
            "shader_precompilation",
            subject,
            "webgpu",
            metric,
            shader_compilation.COLD,
            samples,
            browser=browser.name,
            backend_version=web_runtime_version(),
            others_busy_cores=others.busy_cores,
        )


def _component_loading(run: _Run) -> None:
    subject = f"the two towers of CLIP, {run.asked.size}"
    files = component_loading.files_of(run.asked.size)
    for hardware in component_loading.PROVIDERS:
        run.on_step(f"{subject}: loaded one after the other and at once on {hardware}")
        try:
            browser = _browser(hardware)
            with PageServer(files) as server, BrowserPage(browser, BROWSER_FLAGS) as page, OthersMeter() as others:
                page.open(f"{server.address}{_PAGE}")
                samples = component_loading.compare(page, hardware, run.asked.n_rounds)
                told = f"{browser.name} {page.version}"
        except (PageError, NotTriedError) as error:
            run.add_failure("component_loading", subject, hardware, "until_all_ready_ms", error)
            continue
        run.add_samples(
            "component_loading",
            subject,
            hardware,
            "until_all_ready_ms",
            component_loading.IN_TURN,
            samples,
            browser=told,
            backend_version=web_runtime_version(),
            others_busy_cores=others.busy_cores,
        )


class NotTriedError(Exception):
    """This machine has no browser for the experiment."""


def _browser(hardware: str) -> Path:
    found = probe(hardware)
    browser = browser_of(hardware) if found.is_available else None
    if browser is None:
        raise NotTriedError(found.reason or "no browser")
    return browser


_RUN: Mapping[str, Callable[[_Run], None]] = {
    "audio_workgroups": _audio_workgroups,
    "shader_precompilation": _shader_precompilation,
    "component_loading": _component_loading,
}
