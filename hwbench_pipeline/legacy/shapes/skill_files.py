"""The files that hold skill results: one alone, or several nested in the reports of test runners.

Belongs here: where in such a file the results stand, and what the file says around them. Does not belong here: reading
one result (`skill_result`). The times of the test process (`elapsed_time` beside `return_code`, `execution_time`) are
no latencies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import is_hardware_name
from hwbench_pipeline.legacy.records import Record, Shape, Unreadable
from hwbench_pipeline.legacy.shapes.asked_once import once
from hwbench_pipeline.legacy.shapes.skill_result import (
    SkillPlace,
    is_flat,
    is_skill_result,
    is_structured,
    place_of,
    records_of,
)

_RESULT_FILE = re.compile(
    r"(?P<model>.+?)_(?:test|skill|performance|benchmark)_results?(?:[_@][\d_@]*)?", re.IGNORECASE
)

Places = Callable[[Any], Iterator[SkillPlace]]


def _metadata_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = value.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _alone(document: Any) -> Iterator[SkillPlace]:
    yield place_of(document)


def _of_test_run(document: Any) -> Iterator[SkillPlace]:
    """`json_result` beside what the test process printed."""
    if isinstance(document, dict) and is_skill_result(document.get("json_result")):
        yield place_of(document["json_result"], ("json_result",), (document.get("test_file"),), (_run_view(document),))


def _wrapped(document: Any) -> Iterator[SkillPlace]:
    """`results` is the skill result, `metadata` is about the run."""
    if isinstance(document, dict) and is_skill_result(document.get("results")):
        metadata = _metadata_of(document)
        names = (metadata.get("model"), metadata.get("model_name"), metadata.get("test_file"))
        yield place_of(document["results"], ("results",), names, (document,))


def _by_test(document: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Group, name and object of every test process or model."""
    if not isinstance(document, dict):
        return []
    return [
        (group, name, run)
        for group, runs in document.items()
        if isinstance(runs, dict)
        for name, run in runs.items()
        if isinstance(run, dict)
    ]


def _of_skill_run(document: Any) -> Iterator[SkillPlace]:
    """`json_result` of every test process."""
    for group, name, run in once("by test", document, _by_test):
        if "json_result" in run and is_skill_result(run["json_result"]):
            yield _of_run(document, group, name, run, "json_result")


def _of_model_run(document: Any) -> Iterator[SkillPlace]:
    """Results by model, as any other member of the object about the test process."""
    for group, name, run in once("by test", document, _by_test):
        for member, value in run.items():
            if isinstance(value, dict) and member != "json_result" and is_skill_result(value):
                yield _of_run(document, group, name, run, member)


def _of_run(document: Mapping[str, Any], group: str, name: str, run: Mapping[str, Any], member: str) -> SkillPlace:
    around = (_run_view(run), _run_view(document))
    return place_of(run[member], (group, name, member), (run.get("test_file"), name), around)


def _run_view(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an object about a test process says about the platforms and about when it ran."""
    kept = ("platform_status", "simulated_hardware", "timestamp", "test_timestamp", "metadata")
    return {key: run[key] for key in kept if key in run}


def _by_platform(document: Any) -> Iterator[SkillPlace]:
    """`results.<test>.performance_metrics.<platform>`: each platform has an object of its own."""
    results = document.get("results") if isinstance(document, dict) else None
    for test, run in results.items() if isinstance(results, dict) else ():
        metrics = run.get("performance_metrics") if isinstance(run, dict) else None
        if not isinstance(metrics, dict):
            continue
        pointer = ("results", test, "performance_metrics")
        containers = tuple(
            ((*pointer, platform), value, platform)
            for platform, value in metrics.items()
            if isinstance(value, dict) and is_hardware_name(platform)
        )
        if containers:
            yield SkillPlace(pointer, {}, containers, (test,), (_run_view(run), document))


def _model_of_file_name(name: str) -> str | None:
    """The model that the name of a result file begins with: `hf_t5_test_results.json` is of hf_t5."""
    found = _RESULT_FILE.fullmatch(re.sub(r"\.json$", "", name, flags=re.IGNORECASE))
    return found["model"] if found else None


def _shape(
    name: str, recognises: Callable[[Any], bool], places: Places, model_of_file_name: Callable[[str], str | None] | None
) -> Shape:
    def read(document: Any) -> Iterator[Record | Unreadable]:
        for place in places(document):
            yield from records_of(place)

    def remarks(document: Any) -> list[str]:  # noqa: ARG001 - every shape has this signature
        """Nothing: what has no time of a call says what passed and what failed, and is no attempt at a number."""
        return []

    return Shape(name, 0, recognises, read, remarks, model_of_file_name)


def _holds(places: Places) -> Callable[[Any], bool]:
    return lambda document: next(places(document), None) is not None


SHAPES = (
    _shape("perf_test_run", _holds(_of_test_run), _of_test_run, None),
    _shape("perf_skill_run", _holds(_of_skill_run), _of_skill_run, None),
    _shape("critical_model_tests", _holds(_of_model_run), _of_model_run, None),
    _shape("perf_results_batch", _holds(_by_platform), _by_platform, None),
    _shape("perf_result_wrapped", _holds(_wrapped), _wrapped, None),
    _shape("skill_structured", is_structured, _alone, _model_of_file_name),
    _shape("skill_flat", is_flat, _alone, _model_of_file_name),
)
