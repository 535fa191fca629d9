"""What compared results show: two sides of one cell, and how a cell takes to larger batches."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.results import MODEL_SIZES, MODES, PRECISIONS

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

DIMENSIONS = ("hardware", "precision", "batch", "variant", "model", "run", "environment")
STORED_DIMENSIONS = ("hardware", "precision", "variant", "run", "environment")
"""Those of out__comparison. Batches have a table of their own; which two models to compare is a question of the moment."""
COMPARISON_VERDICTS = ("faster", "slower", "no difference shown")
COMPARED_METRICS = ("latency_ms_p50", "latency_ms_mean", "throughput_items_per_s")

CELL_COLUMNS: tuple[Column, ...] = (
    Column("source", STRING, "Where both results come from.", nullable=False),
    Column("model", STRING, "Catalog key."),
    Column("model_id", STRING, "The model as the source names it."),
    Column("category", STRING, "Category of the model."),
    Column("model_size", STRING, "A tiny cell says nothing of the real model.", allowed=MODEL_SIZES),
    Column("mode", STRING, "Inference or training.", allowed=MODES),
    Column("scenario", STRING, "What one call is."),
    Column("hardware", STRING, "Hardware key."),
    Column("device_name", STRING, "Device."),
    Column("variant", STRING, "Way of the backend; NULL for its usual one."),
    Column("recipe", STRING, "Of a training step, what is not usual in it."),
    Column("precision", STRING, "Precision.", allowed=PRECISIONS),
    Column("batch_size", INT64, "Items per call.", above=0),
    Column("sequence_length", INT64, "Tokens per item.", above=0),
    Column("sound_s", FLOAT64, "Seconds of sound per item.", unit="s", above=0),
    Column("input_shape", STRING, "Input dimensions."),
)
"""What names a cell in words."""

_SHARED_WHERE_SAME = "Of the columns that name the cell, those in which the two sides differ are NULL."


def _sides(name: str, type_: ColumnType, description: str, **more: object) -> tuple[Column, ...]:
    return tuple(
        Column(f"{side}_{name}", type_, f"{description} Of the {side}.", **more)  # type: ignore[arg-type]
        for side in ("baseline", "candidate")
    )


def _verdict_or_reason(row: Row) -> str | None:
    interval = [row.get(name) is not None for name in ("speed_up_low", "speed_up_high")]
    if (row.get("verdict") is not None) == (row.get("reason") is not None):
        return "a verdict and a reason for having none exclude each other"
    if row.get("verdict") is not None and not all(interval):
        return f"the verdict is {row['verdict']} without an interval"
    return None


def _interval_says_verdict(row: Row) -> str | None:
    low, high, verdict = row.get("speed_up_low"), row.get("speed_up_high"), row.get("verdict")
    if verdict is None or low is None or high is None:
        return None
    said = "faster" if low > 1 else "slower" if high < 1 else "no difference shown"
    return None if said == verdict else f"the interval {low:g} to {high:g} says {said}, the verdict {verdict}"


_RULES = (
    RowRule(
        "verdict_or_reason",
        "Two sides have a verdict with its interval, or say why not.",
        "compare again",
        _verdict_or_reason,
    ),
    RowRule("interval_says_verdict", "The verdict is what the interval says.", "compare again", _interval_says_verdict),
)

_EFFECT_COLUMNS: tuple[Column, ...] = (
    Column("speed_up_low", FLOAT64, "Lower end of its 95 % interval; NULL where there is none.", above=0),
    Column(
        "speed_up_high",
        FLOAT64,
        "Upper end. Bootstrap of the raw samples, widened where samples follow each other and by what runs of one cell differ.",
        above=0,
    ),
    Column(
        "between_run_percent",
        FLOAT64,
        "What two runs of one cell differ by, as one standard deviation of a run, by which the interval was widened.",
        unit="%",
        at_least=0,
    ),
    Column(
        "between_run_source", STRING, "Where that is known from: how many pairs of runs, or that it is an assumption."
    ),
    Column("verdict", STRING, "Only where the whole interval says so.", allowed=COMPARISON_VERDICTS),
    Column("reason", STRING, "Why there is no verdict."),
)

OUT__COMPARISON = Table(
    "out__comparison",
    "Two results of one cell that differ in one thing, with the speed-up, its interval and what that shows. Cells that only one "
    f"side has are not here. {_SHARED_WHERE_SAME}",
    (
        Column("dimension", STRING, "What the two sides differ in.", nullable=False, allowed=DIMENSIONS),
        *_sides("side", STRING, "Name of the side.", nullable=False),
        *_sides("result_id", STRING, "Its result.", nullable=False),
        *CELL_COLUMNS,
        Column(
            "is_software", ColumnType.BOOL, "Whether software on the CPU played the device of a side.", nullable=False
        ),
        Column("metric", STRING, "What is compared.", nullable=False, allowed=COMPARED_METRICS),
        *_sides("ms", FLOAT64, "Time of a call, by batch of an item, in the metric.", unit="ms", above=0),
        *_sides("n_samples", INT64, "Raw samples; NULL where none were kept.", above=0),
        *_sides("flags", ColumnType.LIST_STRING, "Flags of the result."),
        Column(
            "speed_up",
            FLOAT64,
            "Baseline time over candidate time; above 1 the candidate is faster.",
            nullable=False,
            above=0,
        ),
        *_EFFECT_COLUMNS,
        *_sides("limb", STRING, "What bounds it by the roofline.", allowed=("compute", "memory")),
        *_sides("roofline_percent", FLOAT64, "How much of the roofline it reaches.", unit="%", above=0),
        Column(
            "memory_ratio", FLOAT64, "Peak memory of the candidate over the baseline's, read in the same way.", above=0
        ),
        *_sides("output_max_rel_error", FLOAT64, "Error of the output against torch fp32.", at_least=0),
        Column("also_differs", ColumnType.LIST_STRING, "What else differs: columns, and options as options.name."),
    ),
    ("dimension", "baseline_result_id", "candidate_result_id"),
    _RULES,
)

OUT__SCALING = Table(
    "out__scaling",
    "How a cell takes to larger batches: throughput against batch 1.",
    (
        Column("result_id", STRING, "The result at this batch size.", nullable=False),
        Column("baseline_result_id", STRING, "The result at batch 1; NULL where nobody measured it."),
        *CELL_COLUMNS,
        Column(
            "is_software", ColumnType.BOOL, "Whether software on the CPU played the device of a side.", nullable=False
        ),
        Column("ms_per_item", FLOAT64, "Time of an item at this batch size.", unit="ms", nullable=False, above=0),
        Column("baseline_ms_per_item", FLOAT64, "Time of an item at batch 1.", unit="ms", above=0),
        Column("speed_up", FLOAT64, "Throughput over that of batch 1.", above=0),
        *_EFFECT_COLUMNS,
        Column(
            "efficiency",
            FLOAT64,
            "Speed-up over batch size: 1 where a larger batch takes no more time than one item, 1 / batch size where it gains "
            "nothing.",
            above=0,
        ),
        Column("limb", STRING, "What bounds it by the roofline.", allowed=("compute", "memory")),
        Column("roofline_percent", FLOAT64, "How much of the roofline it reaches.", unit="%", above=0),
    ),
    ("result_id",),
    _RULES,
)
