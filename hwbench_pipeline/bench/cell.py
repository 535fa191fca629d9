"""What happens inside a cell's process: load → verify → warm up → sample, point by point.

Belongs here: the order of the steps and the events they emit as JSON. Does not belong here: process life
(`isolation`, `cell_server`), the runtimes (`backends/`), or result rows (`recording`), which another process makes.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import torch

from hwbench_pipeline.bench.backends import backend_for
from hwbench_pipeline.bench.backends.protocol import (
    Backend,
    DistantSession,
    DistantTokenSession,
    Evidence,
    ProgramFailedError,
    Session,
    StreamSession,
    TokenSession,
    Workload,
)
from hwbench_pipeline.bench.backends.torch import COMPILE, EAGER, TorchBackend
from hwbench_pipeline.bench.judging import (
    REPEATABLE,
    Array,
    WrongOutputError,
    are_few,
    has_drifted,
    has_same_infinities,
    is_noisy,
    largest_relative_error,
    relative_loss_error,
    require_right_output,
)
from hwbench_pipeline.bench.memory import measure_peak
from hwbench_pipeline.bench.plan import FROM_SOUND, CellPlan, Point, variants_of
from hwbench_pipeline.bench.sampling import Clock, Samples, take_samples, take_stream, timed_ms
from hwbench_pipeline.bench.statistics import percentile
from hwbench_pipeline.bench.watching import MachineWatch, UnseenMachine
from hwbench_pipeline.catalog import building, memory, names
from hwbench_pipeline.catalog.architectures import REMEMBERED_AS, NoModelClassError, architectures
from hwbench_pipeline.catalog.building import build_model, count_parameters, libraries
from hwbench_pipeline.catalog.diffusion import DIFFUSERS
from hwbench_pipeline.catalog.exporting import may_take
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import forced_tokens, input_shape_text, items_and_tokens, make_inputs
from hwbench_pipeline.catalog.sound import FromSound, NoSoundError
from hwbench_pipeline.hardware import condition
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.training.memory_split import split_memory
from hwbench_pipeline.training.phases import PHASES
from hwbench_pipeline.training.recipe import Recipe
from hwbench_pipeline.training.step import TrainingStep

Emit = Callable[[Mapping[str, Any]], object]
Report = Callable[[str], None]
"""Called with the name of the phase that begins."""

_T = TypeVar("_T")

TOLD_PER_ROUTE = 400
"""Characters of what one route to a graph said when it failed: a row's message holds 1000."""


class NoRouteError(Exception):
    """None of a backend's ways from a model to its runtime's graph worked."""


class NothingToTrainOnError(UnsupportedError):
    """The loss is 0 before the first step, as one that compares the items of a batch is where there is only one."""


_OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "out of memory", "cannot allocate memory", "bad_alloc")


def preload() -> None:
    """Import what every cell needs, before the process is forked. Touches no device and starts no thread."""
    for key in names.model_keys():  # transformers imports a model's module when its class is first asked for
        building.model_class(key)
    if memory.recall(REMEMBERED_AS) is not None:  # the list of architectures is read once, and shared by every cell
        architectures()


def preload_library(key: str | None) -> None:
    """Import diffusers before the process is forked, where the model is one of its; where it cannot be, the cell says so."""
    if key is not None and key in DIFFUSERS:
        with suppress(NoModelClassError):
            building.model_class(key)


def run_job(job: Mapping[str, Any], emit: Emit, *, backend: Backend | None = None) -> None:
    """Measure every point of `job["plan"]`; emits one `measured` or `failed` event per point.

    The plan's points say the sequence length they mean, None for models without text: the engine has settled it.
    A point that fails does not stop the next one. Inference takes `backend` in place of the hardware key's own.
    """
    plan = CellPlan.from_json(job["plan"])
    measure = _measure_training if plan.mode == "training" else partial(_measure_inference, given=backend)
    for index, point in enumerate(plan.points):
        phases: list[str] = []

        def report(phase: str, index: int = index, phases: list[str] = phases) -> None:
            phases.append(phase)
            emit({"event": "phase", "point": index, "phase": phase})

        started_at = datetime.now(UTC).isoformat()
        try:
            values = measure(plan, point, report)
            emit({"event": "measured", "point": index, "started_at": started_at, "values": values})
        except UnsupportedError as error:
            emit(_failure(index, started_at, "unsupported", error, phases))
        except MemoryError as error:
            emit(_failure(index, started_at, "out_of_memory", error, phases))
        except Exception as error:  # noqa: BLE001 - a failed point is a result, whatever it raised
            text = str(error).lower()
            is_memory = any(hint in text for hint in _OUT_OF_MEMORY_TEXTS)
            emit(_failure(index, started_at, "out_of_memory" if is_memory else "failed", error, phases))
        gc.collect()


def _failure(index: int, started_at: str, status: str, error: Exception, phases: list[str]) -> dict[str, Any]:
    return {
        "event": "failed",
        "point": index,
        "started_at": started_at,
        "status": status,
        "error_class": type(error).__name__,
        "error_message": " ".join(str(error).split())[:1000] or type(error).__name__,
        "failed_phase": phases[-1] if phases else None,
    }


@dataclass(frozen=True)
class _Loaded:
    """A built model with the inputs of one call, and the values of the row that are known by now."""

    model: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    values: dict[str, Any]


def _load(plan: CellPlan, point: Point, attention: str | None) -> _Loaded:
    building.model_class(plan.model)  # importing its code is no part of loading it
    start = time.perf_counter()
    model = build_model(
        plan.model,
        point.model_size,
        seed=plan.seed,
        attn_implementation=attention,
        use_cache=point.scenario == "generate",
    )
    load_ms = (time.perf_counter() - start) * 1e3
    n_parameters = count_parameters(model)
    try:
        if point.sound_s is not None:
            model = _from_sound(plan, point, model)
        inputs = _inputs(plan, point, model, plan.seed)
    except NoSoundError as error:
        raise UnsupportedError(str(error)) from error
    _, tokens = items_and_tokens(inputs)
    values = {
        "n_parameters": n_parameters,
        "load_ms": load_ms,
        "input_shape": input_shape_text(inputs),
        "tokens": tokens,
    }
    return _Loaded(model, inputs, values)


def _from_sound(plan: CellPlan, point: Point, model: torch.nn.Module) -> FromSound:
    if point.precision != "fp32":  # other precisions would extract features in them too, which nobody does
        raise UnsupportedError(f"{FROM_SOUND} runs in fp32 here, not {point.precision}. Fix: --precision fp32")
    return FromSound(plan.model, model)


def _inputs(plan: CellPlan, point: Point, model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    config: Any = model.config
    inputs = make_inputs(
        plan.model, config, batch_size=point.batch_size, sequence_length=point.sequence_length, seed=seed
    )
    if not isinstance(model, FromSound) or point.sound_s is None:
        return inputs
    return model.inputs(inputs, point.sound_s, seed=seed)


@dataclass(frozen=True)
class _Reference:
    """What the torch fp32 reference gave, how far another input moves it, and how long its two calls took."""

    outputs: dict[str, Array]
    effect_of_input: float | None
    calls_ms: tuple[float, float]


@dataclass(frozen=True)
class _Checked:
    """A session whose output is the reference's, the call that is timed, and the times of the calls made so far."""

    session: Session
    call: Callable[[], object]
    first_inference_ms: float | None
    output_max_rel_error: float
    warm_ms: tuple[float, ...]


def _measure_inference(plan: CellPlan, point: Point, report: Report, given: Backend | None = None) -> dict[str, Any]:
    backend = given or backend_for(plan.hardware, point.variant)
    variant = point.variant or backend.variants[0]
    if variant not in backend.variants:
        raise UnsupportedError(
            f"{plan.hardware} runs {', '.join(variants_of(plan.hardware) or backend.variants)}, not {variant}. "
            "Fix: ask for one of these"
        )
    report("load")
    loaded = _load(plan, point, backend.attention)
    values = loaded.values
    workload = _workload(plan, point, loaded, variant)
    del loaded
    report("reference")
    reference = _reference(plan, point, workload)
    checked = _checked(backend, plan, point, workload, reference, report)
    heard = workload.model.options if isinstance(workload.model, FromSound) else {}
    del workload, reference  # a backend that made its own copy of the weights is measured without torch's
    gc.collect()
    session = checked.session
    facts = session.facts
    values["first_inference_ms"] = checked.first_inference_ms
    values["output_max_rel_error"] = checked.output_max_rel_error
    found = Evidence()
    with ExitStack() as at_the_end:
        if isinstance(session, DistantSession):
            at_the_end.callback(session.close)  # also where it fails: the next point starts a program of its own
        report("memory")
        memory, memory_ms = _timed(session.peak_memory)
        # every call of the measured session warms it up, whatever else it is made for
        warm_ms = [*checked.warm_ms, *[memory_ms / (memory.n_calls or 1)] * (memory.n_calls or 0)]
        report("sample")
        values |= _sample(plan, session, checked.call, warm_ms)
        if isinstance(session, DistantSession):
            report("evidence")
            found = session.evidence()
            values["flags"] = [*values["flags"], *found.flags]
    is_forward = point.scenario in ("forward", FROM_SOUND)
    return values | {
        "peak_memory_mb": memory.peak_memory_mb,
        "memory_method": memory.memory_method,
        "scenario": point.scenario,
        "backend": facts.backend,
        "backend_version": facts.backend_version,
        "options": {**facts.options, **found.options, **heard},
        "device_name": found.device_name,
        "libraries": {**facts.libraries, **libraries(plan.model)},
        "threads": [facts.threads_intra_op, facts.threads_inter_op],
        "compile_ms": facts.compile_ms,
        "tokens": values["tokens"] if is_forward else point.batch_size * (point.new_tokens or 0),
        "flops": _flops(plan, point, report) if point.scenario == "forward" else None,
    }


def _reference(plan: CellPlan, point: Point, workload: Workload) -> _Reference:
    outputs, first_ms = _timed(lambda: _reference_outputs(workload))
    on_another = _on_another_input(plan, point, workload)
    others, other_ms = _timed(lambda: _reference_outputs(on_another))
    return _Reference(outputs, _effect_of_input(outputs, others), (first_ms, other_ms))


def _checked(
    backend: Backend, plan: CellPlan, point: Point, workload: Workload, reference: _Reference, report: Report
) -> _Checked:
    """A session with the right output by the first of the backend's routes that gives one.

    Raises what the only route raised. Of several, `WrongOutputError` where one of them ran, else `NoRouteError`, and the
    message says what came of each.
    """
    possible: tuple[str | None, ...] = getattr(backend, "routes", (None,))
    routes = [route for route in possible if may_take(route, workload.model)]
    told: list[str] = []
    has_run = False
    for route in routes:
        if told:  # an export that failed half-way may leave the model changed
            workload = _workload(plan, point, _load(plan, point, backend.attention), workload.variant)
        try:
            return _prepared(backend, replace(workload, route=route), plan, point, reference, report)
        except (UnsupportedError, ProgramFailedError):
            raise
        except Exception as error:
            if len(routes) == 1:
                raise
            has_run = has_run or isinstance(error, WrongOutputError)
            told.append(f"{route}: {type(error).__name__}: {' '.join(str(error).split())[:TOLD_PER_ROUTE]}")
            error.__traceback__ = None  # it holds the session's memory
        gc.collect()
    raise (WrongOutputError if has_run else NoRouteError)("; ".join(told))


def _prepared(
    backend: Backend, workload: Workload, plan: CellPlan, point: Point, reference: _Reference, report: Report
) -> _Checked:
    report("compile")
    session = backend.prepare(workload)
    with ExitStack() as on_failure:
        if isinstance(session, DistantSession):
            on_failure.callback(session.close)
        checked = _verified(session, workload.variant, backend, plan, point, reference, report)
        on_failure.pop_all()
    return checked


def _verified(
    session: Session,
    variant: str,
    backend: Backend,
    plan: CellPlan,
    point: Point,
    reference: _Reference,
    report: Report,
) -> _Checked:
    facts = session.facts
    gc.collect()
    call = _call_of(session, point)
    report("first inference")
    first_ms = _clock_of(session, call)(call)
    # a backend that runs the very module of the reference has no first call left to time, nor one that compiled in it
    has_run = facts.is_reference or (facts.compile_ms is not None and facts.options.get("compile") is True)
    report("verify")
    answers, verify_ms = _timed(
        lambda: session.outputs_in_flight() if isinstance(session, StreamSession) else [session.outputs()]
    )
    try:
        difference = max(largest_relative_error(reference.outputs, answer) for answer in answers)
        require_right_output(difference, point.precision, reference.effect_of_input)
    except WrongOutputError:
        _require_repeatable(plan, point, variant, backend.attention, reference.outputs)
        raise
    warm_ms = [*reference.calls_ms] if facts.is_reference else []
    warm_ms += [first_ms, verify_ms] if has_run else [verify_ms]
    return _Checked(session, call, None if has_run else first_ms, difference, tuple(warm_ms))


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    """What a piece of work gives, and its milliseconds."""
    start = time.perf_counter_ns()
    answer = work()
    return answer, (time.perf_counter_ns() - start) / 1e6


def _workload(plan: CellPlan, point: Point, loaded: _Loaded, variant: str) -> Workload:
    forced = None
    if point.scenario == "generate":
        if not loaded.model.can_generate():  # type: ignore[operator]
            raise UnsupportedError(f"{plan.model} generates no text. Fix: --scenario forward")
        config: Any = loaded.model.config
        forced = forced_tokens(config, point.batch_size, point.new_tokens or 1, seed=plan.seed)
    scenario = "forward" if point.scenario == FROM_SOUND else point.scenario
    return Workload(loaded.model, loaded.inputs, point.precision, variant, scenario, forced)


def _call_of(session: Session, point: Point) -> Callable[[], object]:
    if isinstance(session, DistantTokenSession):
        return _distant_tokens(session)
    return _timed_tokens(session, point) if isinstance(session, TokenSession) else _synchronous(session)


def _clock_of(session: Session | None, call: Callable[[], object]) -> Clock:
    if isinstance(call, _distant_tokens):
        timed_tokens = call.timed
        return lambda _: timed_tokens()
    if not isinstance(session, DistantSession):
        return timed_ms
    timed_run = session.timed_run
    return lambda _: timed_run()


def _synchronous(session: Session) -> Callable[[], object]:
    run, sync = session.run, session.sync

    def call() -> None:
        run()
        sync()

    return call


class _timed_tokens:  # noqa: N801 - called like a function
    """One generation, whose first token and further tokens are timed apart: `token_ms` holds both for every call."""

    def __init__(self, session: TokenSession, point: Point) -> None:
        self._session = session
        self._n_further = (point.new_tokens or 1) - 1
        self.token_ms: list[tuple[float, float | None]] = []

    def __call__(self) -> None:
        session = self._session
        start = time.perf_counter_ns()
        session.begin()
        session.sync()
        first = time.perf_counter_ns()
        for _ in range(self._n_further):
            session.step()
            session.sync()
        further_ms = (time.perf_counter_ns() - first) / 1e6 / self._n_further if self._n_further else None
        self.token_ms.append(((first - start) / 1e6, further_ms))


class _distant_tokens:  # noqa: N801 - called like a function
    """One generation of a distant session; `token_ms` as of `_timed_tokens`, by the session's own clock."""

    def __init__(self, session: DistantTokenSession) -> None:
        self._session = session
        self.token_ms: list[tuple[float, float | None]] = []

    def __call__(self) -> None:
        self.timed()

    def timed(self) -> float:
        """One generation in milliseconds."""
        times = self._session.timed_tokens()
        further_ms = sum(times.further_ms)
        self.token_ms.append((times.first_ms, further_ms / len(times.further_ms) if times.further_ms else None))
        return times.first_ms + further_ms


def _measure_training(plan: CellPlan, point: Point, report: Report) -> dict[str, Any]:
    if point.variant not in (None, EAGER, COMPILE):
        raise UnsupportedError(f"training steps run {EAGER} or {COMPILE}, not {point.variant}. Fix: --variant {EAGER}")
    recipe = point.recipe or Recipe()
    if not recipe.divides(point.batch_size):
        raise UnsupportedError(
            f"a batch of {point.batch_size} cannot be cut into {recipe.accumulation_steps} micro-batches of the same size: "
            f"the batch size counts all of them. Fix: --batch-size {recipe.accumulation_steps * point.batch_size}"
        )
    report("load")
    loaded = _load(plan, point, None)
    values = loaded.values
    part: dict[str, torch.Tensor] | None = None
    if recipe.accumulation_steps > 1:
        cut = replace(point, batch_size=point.batch_size // recipe.accumulation_steps)
        part = _inputs(plan, cut, loaded.model, plan.seed)

    def prepared(hardware: str, precision: str, recipe: Recipe, *, own_loss: bool, is_compiled: bool) -> TrainingStep:
        return TrainingStep.prepare(
            hardware,
            plan.model,
            loaded.model,
            loaded.inputs,
            precision=precision,
            seed=plan.seed,
            recipe=recipe,
            part=part,
            own_loss=own_loss,
            is_compiled=is_compiled,
        )

    def reference_loss_of(*, own_loss: bool) -> float:
        # the model as it is: adapters begin as nothing, and checkpointing must not change what comes out
        plain = Recipe(accumulation_steps=recipe.accumulation_steps)
        return prepared("cpu", "fp32", plain, own_loss=own_loss, is_compiled=False).loss_without_dropout()

    report("reference")
    no_own_loss: str | None = None
    try:
        reference_loss = reference_loss_of(own_loss=True)
    except UnsupportedError:
        raise
    except Exception as error:
        if plan.model in names.model_keys():
            raise
        # labels by rule are a guess: where they do not fit, the row's options state the surrogate, and why it is one
        no_own_loss = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        reference_loss = reference_loss_of(own_loss=False)
    if reference_loss == 0:  # so it is where a loss compares the items of a batch, and there is one
        raise NothingToTrainOnError(
            f"the loss of {plan.model} at batch size {point.batch_size} is 0: there is nothing to train on. "
            f"Fix: --batch-size {point.batch_size + recipe.accumulation_steps}"
        )
    is_compiled = point.variant == COMPILE
    report("verify")
    step = prepared(plan.hardware, point.precision, recipe, own_loss=no_own_loss is None, is_compiled=is_compiled)
    values["output_max_rel_error"] = relative_loss_error(reference_loss, step.loss_without_dropout())
    require_right_output(values["output_max_rel_error"], point.precision)
    loss_before = step.loss_with_same_draws()
    if is_compiled:
        report("compile")
        values["compile_ms"], values["first_inference_ms"] = timed_ms(step.compile), None
    else:
        report("first step")
        values["first_inference_ms"] = timed_ms(step)
    report("sample")
    values |= _sample(plan, None, step)
    report("learning")
    step.require_learning(loss_before)
    report("memory")
    memory = measure_peak(step, plan.hardware)
    values |= split_memory(step)
    losses = [float(loss) for loss in step.losses]
    return values | {
        "peak_memory_mb": memory.peak_memory_mb,
        "memory_method": memory.memory_method,
        "scenario": "train_step",
        "backend": "torch",
        "backend_version": step.backend_version,
        "options": {**step.options, **({"own_loss_failed": no_own_loss} if no_own_loss else {})},
        "libraries": {**libraries(plan.model), **step.libraries},
        "threads": step.threads,
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "losses": losses,
        # a frozen weight has no gradient, which the count of the whole model would have
        "flops": _flops(plan, point, report) if recipe.lora_rank is None else None,
    }


def _flops(plan: CellPlan, point: Point, report: Report) -> int | None:
    report("count operations")
    return count_flops(
        plan.model,
        point.model_size,
        batch_size=point.batch_size,
        sequence_length=point.sequence_length,
        training=plan.mode == "training",
    ).flops


def _reference_outputs(workload: Workload) -> dict[str, Array]:
    """Named outputs of the torch fp32 CPU reference."""
    return TorchBackend.for_hardware("cpu").prepare(replace(workload, precision="fp32", variant=EAGER)).outputs()


def _require_repeatable(
    plan: CellPlan, point: Point, variant: str, attention: str | None, reference: Mapping[str, Array]
) -> None:
    """Raise `WrongOutputError` where the reference differs from itself: then the backend is not what is wrong.

    Asked only once an output has failed, on the model built anew: the backend may have changed the first one's precision.
    """
    again = _reference_outputs(_workload(plan, point, _load(plan, point, attention), variant))
    difference = largest_relative_error(reference, again)
    if difference > REPEATABLE:
        raise WrongOutputError(
            f"two runs of the torch reference on the same input differ by {difference:.2g} of its largest value: "
            "the output cannot be checked"
        )


def _on_another_input(plan: CellPlan, point: Point, workload: Workload) -> Workload:
    """The workload on inputs, and where it generates on forced tokens, of another seed."""
    inputs = _inputs(plan, point, workload.model, plan.seed + 1)
    forced = None
    if workload.forced_tokens is not None:
        config: Any = workload.model.config
        forced = forced_tokens(config, point.batch_size, workload.forced_tokens.shape[1], seed=plan.seed + 1)
    return replace(workload, inputs=inputs, forced_tokens=forced)


def _effect_of_input(reference: Mapping[str, Array], outputs: Mapping[str, Array]) -> float | None:
    """How far the reference's output is from the one of another input; None where that gives other shapes, or infinities in
    other places."""
    if any(outputs[name].shape != expected.shape for name, expected in reference.items()):
        return None
    if not has_same_infinities(reference, outputs):
        return None
    return largest_relative_error(reference, outputs)


def _sample(
    plan: CellPlan, session: Session | None, call: Callable[[], object], warm_ms: Sequence[float] = ()
) -> dict[str, Any]:
    """Warm up and sample, with what the machine was like meanwhile; `warm_ms` as for `take_samples`."""
    is_here = not getattr(session, "is_remote", False)
    load_before = condition.load_average_1m() if is_here else None
    watches: list[MachineWatch | UnseenMachine] = []

    def watch() -> MachineWatch | UnseenMachine:
        watches.append(MachineWatch(plan.hardware) if is_here else UnseenMachine())
        return watches[-1]

    if isinstance(session, StreamSession):
        samples = take_stream(session, plan.sampling, watch)
    else:
        samples = take_samples(call, plan.sampling, watch, warm_ms=warm_ms, timed=_clock_of(session, call))
    machine = watches[samples.attempt]
    flags = []
    if is_noisy(samples.samples_ms):
        flags.append("noisy")
    if are_few(samples.samples_ms):
        flags.append("few_samples")
    if has_drifted(samples.samples_ms):
        flags.append("unsteady")
    values: dict[str, Any] = machine.values(len(samples.samples_ms)) | {
        "samples_ms": samples.samples_ms,
        "n_warmup": samples.n_warmup,
        "n_attempts": samples.n_attempts,
        "wall_s": samples.wall_s,
        "flags": [*flags, *machine.flags],
        "load_avg_1m": load_before,
    }
    if isinstance(call, _timed_tokens | _distant_tokens):
        kept = _kept(call.token_ms, samples)
        values["first_token_ms"] = percentile(sorted(first for first, _ in kept), 50)
        further = sorted(ms for _, ms in kept if ms is not None)
        values["time_per_output_token_ms"] = percentile(further, 50) if further else None
    if isinstance(call, TrainingStep):
        parts = _kept(call.phases.times_ms(), samples)
        for phase in PHASES:
            times = sorted(of_step[phase] for of_step in parts)
            values[f"{phase}_ms_mean"] = math.fsum(times) / len(times)
            values[f"{phase}_ms_p50"] = percentile(times, 50)
    return values


def _kept(of_calls: Sequence[_T], samples: Samples) -> Sequence[_T]:
    """Of what was kept for each call, the latest last, that of the calls whose times are the samples."""
    return of_calls[-samples.n_calls :][samples.first_kept :][: len(samples.samples_ms)]
