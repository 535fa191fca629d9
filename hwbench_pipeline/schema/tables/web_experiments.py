"""Experiments in a browser: whether a claimed optimisation shows an effect."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

EXPERIMENTS = ("audio_workgroups", "shader_precompilation", "component_loading")
VERDICTS = ("faster", "slower", "no difference shown", "wrong output")


def _compared_or_why_not(row: Row) -> str | None:
    is_compared = row.get("ratio") is not None
    if is_compared != (row.get("verdict") in VERDICTS[:3]):
        return f"its verdict is {row.get('verdict')}, and it has {'a' if is_compared else 'no'} ratio"
    if row.get("samples_ms") is None and row.get("verdict") != "wrong output" and not row.get("error_message"):
        return "it has no samples, and no reason"
    return None


CORE_BENCH__WEB_EXPERIMENTS = Table(
    "core_bench__web_experiments",
    "Experiments in a browser: one row per variant of a run, with its effect against the baseline of the same run.",
    (
        Column("run_id", STRING, "The run; its variants ran in turns.", nullable=False),
        Column("experiment", STRING, "What was tried.", nullable=False, allowed=EXPERIMENTS),
        Column("subject", STRING, "On what: a sound of some length, a model, components.", nullable=False),
        Column("hardware", STRING, "Hardware key: webgpu or wasm.", nullable=False),
        Column("device_name", STRING, "What computed; software on the CPU says so.", nullable=False),
        Column(
            "is_software", ColumnType.BOOL, "Whether software on the CPU played the GPU; NULL where nothing is known."
        ),
        Column("metric", STRING, "What was timed.", nullable=False),
        Column("variant", STRING, "The variant.", nullable=False),
        Column("baseline", STRING, "What it is compared with; NULL for the baseline itself."),
        Column(
            "n_rounds", INT64, "Rounds that were kept, one sample of each variant in each.", nullable=False, above=-1
        ),
        Column("latency_ms_p50", FLOAT64, "Median of its samples.", unit="ms", above=0),
        Column(
            "ratio",
            FLOAT64,
            "Geometric mean of variant over baseline of each round; below 1 it took less time.",
            above=0,
        ),
        Column("ratio_low", FLOAT64, "Lower end of the ratio's interval.", above=0),
        Column(
            "ratio_high",
            FLOAT64,
            "Upper end: 95 % for all variants of the run and metric together (Student's t of the logarithms, Bonferroni).",
            above=0,
        ),
        Column(
            "verdict",
            STRING,
            "faster or slower where the whole interval says so. NULL for the baseline and for what failed.",
            allowed=VERDICTS,
        ),
        Column(
            "output_max_rel_error",
            FLOAT64,
            "Largest error of its output over the largest value, where it was compared.",
        ),
        Column("samples_ms", ColumnType.LIST_FLOAT64, "Raw samples in the order of the rounds.", unit="ms"),
        Column("others_busy_cores", FLOAT64, "Cores that other processes kept busy meanwhile, on average."),
        Column("error_message", STRING, "Why it could not be tried."),
        Column("browser", STRING, "Browser and version."),
        Column("backend_version", STRING, "Version of onnxruntime-web, where it took part."),
        Column("cpu_name", STRING, "The host's CPU."),
        Column("harness_version", STRING, "Version and commit of hwbench.", nullable=False),
        Column("started_at", ColumnType.TIMESTAMP, "When the run started, UTC.", nullable=False),
    ),
    ("run_id", "experiment", "subject", "hardware", "metric", "variant"),
    (
        RowRule(
            "compared_or_why_not",
            "A variant has an effect with its verdict, or says why not.",
            "run the experiment again",
            _compared_or_why_not,
        ),
    ),
)
