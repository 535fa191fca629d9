"""Running experiments on this machine's browser, and the rows of what they show.

Belongs here: opening pages for each experiment, and the rows of core_bench__web_experiments. An experiment that cannot be tried
is a row with the reason.
"""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.backends.web.backend import NotOnDeviceError
from hwbench_pipeline.bench.backends.web.browser import PageError
from hwbench_pipeline.bench.backends.web.pages import OwnPage, page_in
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.judging import WrongOutputError
from hwbench_pipeline.bench.web_experiments import audio_kernel, component_loading, shader_compilation
from hwbench_pipeline.bench.web_experiments.comparing import NOT_SHOWN, WRONG, effect
from hwbench_pipeline.hardware.browsers import adapter_name, is_software_adapter, web_runtime_version
from hwbench_pipeline.hardware.condition import OthersMeter
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.environment import cpu_name, harness_version
from hwbench_pipeline.hardware.host_lock import host_lock
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
    on_step: Callable[[str], None]
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
            "is_software": found.is_software,
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
        *,
        control: str,
        **shared: Any,
    ) -> None:
        """A row per variant. One that is among `errors` and has no samples gave a wrong output.

        `control` is the baseline under another name: where the two differ nothing is concluded of the others.
        """
        errors = errors or {}
        base = samples.get(baseline, ())
        effects = {
            name: effect(taken, base, n_comparisons=len(samples) - 1)
            for name, taken in samples.items()
            if base and name != baseline
        }
        of_control = effects.get(control)
        no_conclusion = None
        if not base:
            no_conclusion = f"the baseline {baseline} gave a wrong output: there is nothing to compare with"
        elif of_control is not None and of_control.verdict != NOT_SHOWN:
            no_conclusion = f"the baseline differed from itself ({of_control.low:.3f} to {of_control.high:.3f}): nothing is concluded"
        for name in [*samples, *(set(errors) - set(samples))]:
            values: dict[str, Any] = {
                "metric": metric,
                "variant": name,
                "n_rounds": len(samples.get(name, ())),
                **shared,
            }
            values["output_max_rel_error"] = errors.get(name)
            if name not in samples:
                values |= {"verdict": WRONG, "baseline": baseline}
            else:
                values |= {"samples_ms": list(samples[name]), "latency_ms_p50": statistics.median(samples[name])}
            if name in samples and name != baseline:
                values["baseline"] = baseline
                if no_conclusion is not None:
                    values["error_message"] = no_conclusion
                else:
                    found = effects[name]
                    values |= {
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
    on_step: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Run experiments one after the other and store their rows after each; `on_step` is told what begins.

    Nothing else is measured on this host meanwhile. Raises `StoreSettingError`, `WarehouseError`.
    """
    run = _Run(uuid.uuid4().hex, asked, on_step, datetime.now(UTC), [])
    for name in names:
        with host_lock(holder=f"hwbench experiment {name}", on_wait=on_step, timeout_s=None):
            _RUN[name](run)
        write_part(warehouse, CORE_BENCH__WEB_EXPERIMENTS, run.run_id, run.rows)
    return run.rows


def _audio_workgroups(run: _Run) -> None:
    for seconds in run.asked.sound_s:
        subject = f"log-mel spectrogram of {seconds:g} s"
        run.on_step(f"{subject}: workgroup sizes")
        try:
            with _opened("webgpu", dict(audio_kernel.files_for(seconds))) as opened:
                found = audio_kernel.sweep(opened.server, opened.page, seconds, run.asked.n_rounds)
        except _REASONS as error:
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
            control=audio_kernel.CONTROL,
            browser=opened.page.browser,
            others_busy_cores=opened.others.busy_cores,
            device_name=adapter_name(found.adapter),
            is_software=is_software_adapter(found.adapter),
        )


def _shader_precompilation(run: _Run) -> None:
    subject = f"{run.asked.shader_model} {run.asked.size}"
    try:
        _browser("webgpu")
        workload = shader_compilation.workload_of(run.asked.shader_model, run.asked.size)
        found = shader_compilation.compare(
            workload,
            run.asked.n_rounds,
            on_round=lambda number: run.on_step(
                f"{subject}: shaders cold, precompiled and warm, round {number + 1} of {run.asked.n_rounds}"
            ),
        )
    except _REASONS as error:
        run.add_failure("shader_precompilation", subject, "webgpu", shader_compilation.FIRST_CALL_MS, error)
        return
    adapter = found.evidence.options["adapter"] or {}
    for metric, samples in found.samples_ms.items():
        run.add_samples(
            "shader_precompilation",
            subject,
            "webgpu",
            metric,
            shader_compilation.COLD,
            samples,
            control=shader_compilation.COLD_AGAIN,
            browser=found.browser,
            backend_version=web_runtime_version(),
            device_name=found.evidence.device_name or "not told",
            is_software=is_software_adapter(adapter),
        )


def _component_loading(run: _Run) -> None:
    subject = f"the two towers of CLIP, {run.asked.size}"
    for hardware in component_loading.PLATFORMS:
        run.on_step(f"{subject}: loaded one after the other and at once on {hardware}")
        try:
            _browser(hardware)  # before the exports, which take longer
            with _opened(hardware, component_loading.files_of(run.asked.size)) as opened:
                samples = component_loading.compare(opened.page, hardware, run.asked.n_rounds)
        except _REASONS as error:
            run.add_failure("component_loading", subject, hardware, "until_all_ready_ms", error)
            continue
        run.add_samples(
            "component_loading",
            subject,
            hardware,
            "until_all_ready_ms",
            component_loading.IN_TURN,
            samples,
            control=component_loading.IN_TURN_AGAIN,
            browser=opened.page.browser,
            backend_version=web_runtime_version(),
            others_busy_cores=opened.others.busy_cores,
        )


class NotTriedError(Exception):
    """This machine has no browser for the experiment."""


def _browser(hardware: str) -> Path:
    found = probe(hardware)
    browser = browser_of(hardware) if found.is_available else None
    if browser is None:
        raise NotTriedError(found.reason or "no browser")
    return browser


@dataclass(frozen=True)
class _Opened:
    """An experiment's page with its server, and what else the machine did while it was open, known once it is closed."""

    server: PageServer
    page: OwnPage
    others: OthersMeter


@contextmanager
def _opened(hardware: str, files: Mapping[str, Path | bytes]) -> Iterator[_Opened]:
    browser = _browser(hardware)
    with PageServer(files) as server, page_in(browser, BROWSER_FLAGS) as page, OthersMeter() as others:
        page.open(f"{server.address}{_PAGE}")
        yield _Opened(server, page, others)


_REASONS = (
    PageError,
    NotTriedError,
    UnsupportedError,
    NotOnDeviceError,
    WrongOutputError,
    audio_kernel.WrongKernelNotFoundError,
)
"""What keeps an experiment from saying anything, and becomes its row."""

_RUN: Mapping[str, Callable[[_Run], None]] = {
    "audio_workgroups": _audio_workgroups,
    "shader_precompilation": _shader_precompilation,
    "component_loading": _component_loading,
}
