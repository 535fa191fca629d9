"""The shapes of old result files that are read, in the order in which they are asked.

Belongs here: the registry, and one module per shape family that declares what it recognises and yields records.
Does not belong here: anything that holds for every shape (units, provenance, rows: see the modules beside).
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.legacy.records import Shape
from hwbench_pipeline.legacy.shapes import (
    browser_compare,
    collection,
    direct_benchmark,
    generic,
    hardware_test,
    hw_compat_matrix,
    key_model_benchmark,
    pytest_benchmark,
    remote_api_timings,
    result_collections,
    skill_files,
    skill_hw_bench,
    suite_benchmarks,
    suite_master,
    suite_summary,
    web_platform_comparison,
    web_platform_result,
)

_KNOWN: tuple[Shape, ...] = (
    suite_master.SHAPE,
    suite_benchmarks.SHAPE,
    direct_benchmark.SHAPE,
    web_platform_result.SHAPE,
    suite_summary.SHAPE,
    hw_compat_matrix.SHAPE,
    key_model_benchmark.SHAPE,
    skill_hw_bench.SHAPE,
    # before the comparisons, whose rows look alike from outside
    result_collections.BATCH_DIRECT_BENCHMARK,
    result_collections.WEB_PLATFORM_BATCH,
    web_platform_comparison.SHAPE,
    browser_compare.SHAPE,
    remote_api_timings.SHAPE,
    *skill_files.SHAPES,
    hardware_test.SHAPE,
    pytest_benchmark.SHAPE,
)
SHAPES: tuple[Shape, ...] = (
    # a list of several shapes is asked for first: a shape that collects one of them would leave the others out
    collection.collection_of(_KNOWN, generic.SHAPE, least_shapes=2),
    *_KNOWN,
    collection.collection_of(_KNOWN, generic.SHAPE),
    # the generic reader is asked last: it reads whatever nobody wrote a module for
    generic.TABLE,
    generic.SHAPE,
)

_ORIGINALITY = {shape.name: shape.originality for shape in SHAPES}


def shape_of(document: Any) -> Shape | None:
    """The first shape that recognises a document, None if none does."""
    for shape in SHAPES:
        if shape.recognises(document):
            return shape
    return None


def originality_of(shape_name: str | None) -> int:
    """How far a shape of that name is from the run that wrote it: 0 for an original or a name not known."""
    return _ORIGINALITY.get(shape_name or "", 0)
