"""The result row: one measurement, or one recorded failure to measure, with its evidence.

Belongs here: the columns, allowed values and rules of the row that `core_legacy__results`, the two
`core_bench__*` tables and `out__results` share (contract of the design, section 4). Does not belong here:
how rows are made (`bench/`, `legacy/`) or united (`analysis/`).
"""

from __future__ import annotations

from itertools import pairwise

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table, sha256_of

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

MODES = ("inference", "training")
MODEL_SIZES = ("tiny", "reference", "custom")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8", "int4", "mixed")
OWN_SOURCES = ("hwbench", "bundle")
"""Sources of rows that hwbench itself measured, here or elsewhere."""
PROVENANCES = ("measured", "simulated", "mock", "unknown", "predicted", "none")
STATUSES = ("ok", "failed", "unsupported", "out_of_memory", "timeout", "no_hardware")
FLAGS = (
    "noisy",
    "few_samples",
    "unsteady",
    "throttled",
    "loaded_machine",
    "slower_than_other_run",
    "software_adapter",
    "cpu_fallback",
    "faster_than_roofline",
    "is_aggregate",
    "expected_copy",
)

LATENCY_COLUMNS = (
    "latency_ms_mean",
    "latency_ms_std",
    "latency_ms_min",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_max",
)
ORDERED_LATENCY_COLUMNS = (
    "latency_ms_min",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_max",
)
"""Of one set of samples none of these is above the next."""
QUANTITY_COLUMNS = (
    *LATENCY_COLUMNS,
    "samples_ms",
    "throughput_items_per_s",
    "tokens_per_s",
    "real_time_factor",
    "first_token_ms",
    "time_per_output_token_ms",
    "forward_ms_mean",
    "forward_ms_p50",
    "backward_ms_mean",
    "backward_ms_p50",
    "optimizer_ms_mean",
    "optimizer_ms_p50",
    "peak_memory_mb",
    "parameter_memory_mb",
    "gradient_memory_mb",
    "optimizer_memory_mb",
    "activation_memory_mb",
    "energy_j",
)
"""The columns that hold what was measured in steady state; a row that is not `ok` has none of them."""

MINIMUM_SAMPLES_FOR_P99 = 100

OVER_LIMIT, MEMORY_UNREADABLE = "OverLimit", "MemoryUnreadable"
BOUNDED_ERROR_CLASSES = (OVER_LIMIT, MEMORY_UNREADABLE)
"""Error classes of rows without a number that a memory limit which somebody set is the reason for. Their options state it as
MEMORY_LIMIT_OPTION (MB of 1e6 bytes). They answer a question of their own, and say nothing of the point without a limit."""
MEMORY_LIMIT_OPTION = "memory_limit_mb"


def _text(name: str, description: str, *, nullable: bool = True, allowed: tuple[str, ...] | None = None) -> Column:
    return Column(name, STRING, description, nullable=nullable, allowed=allowed)


def _milliseconds(name: str, description: str, *, zero: bool = False) -> Column:
    return Column(name, FLOAT64, description, unit="ms", above=None if zero else 0, at_least=0 if zero else None)


RESULT_COLUMNS: tuple[Column, ...] = (
    _text("result_id", "Hash of the natural key: the same input gives the same id.", nullable=False),
    _text("run_id", "The execution that made the row. NULL for rows read from other people's files."),
    _text(
        "source",
        "Where the row comes from.",
        nullable=False,
        allowed=("legacy", "hwbench", "bundle", "optimum_benchmark", "timm", "mlperf"),
    ),
    _text("source_path", "The file the fact came from."),
    _text("source_sha256", "SHA-256 of that file's bytes."),
    Column("source_pointer", STRING, "JSON pointer, or row, of the fact inside that file.", may_be_empty=True),
    _text(
        "provenance",
        "What the number is worth. `none` where there is no number (failed, no_hardware, …).",
        nullable=False,
        allowed=PROVENANCES,
    ),
    _text("provenance_reason", "The evidence for the provenance, in words."),
    _text("status", "How the attempt ended.", nullable=False, allowed=STATUSES),
    _text("error_class", "Kind of failure, for every status but ok."),
    _text("error_message", "What happened and, where known, the fix, for every status but ok."),
    _text(
        "failed_phase",
        "What the cell was doing when the point failed: load, reference, compile, verify, sample, memory …; NULL where "
        "nothing had begun.",
    ),
    _text("model_id", "The model as the source names it; a Hugging Face id where the source does."),
    _text("model", "The catalog key the model resolves to; NULL if none."),
    _text("architecture", "Hugging Face `model_type`; of diffusers, the catalog key."),
    _text("category", "Category of the catalog."),
    _text("model_size", "Which configuration ran; a tiny row never stands for a real model.", allowed=MODEL_SIZES),
    _text("config_sha256", "Hash of the exact configuration that ran."),
    Column("n_parameters", INT64, "Parameters of the model that ran.", above=0),
    _text("backend", "The software that ran it: torch, openvino, onnxruntime-web, …"),
    _text("backend_version", "Version of the backend."),
    _text("options", "Backend options as canonical JSON: class, attention, optimizer, provider, …"),
    Column(
        "output_max_rel_error",
        FLOAT64,
        "Largest absolute difference from the torch fp32 CPU reference on the same weights and input, "
        "divided by the reference's largest absolute value; of a training step, the relative difference of the loss before "
        "the first step, without dropout.",
        at_least=0,
    ),
    _text("hardware", "What really ran it; where nothing ran, the platform it was tried on. NULL if unknown."),
    _text("hardware_requested", "What the source claims, or the cell asked for."),
    _text("device_name", "The device's own name, e.g. NVIDIA H200, AMD EPYC 9R14, SwiftShader."),
    _text("mode", "Inference or training.", allowed=MODES),
    _text(
        "scenario",
        "What one sample is: forward, generate (a whole generation of options.new_tokens tokens), from_sound (feature "
        "extraction and forward pass on a waveform), train_step, load, …",
    ),
    _text(
        "variant",
        "Which way of the backend ran it, where it is not its usual one (torch: eager, OpenVINO: latency hint): compile, "
        "throughput. With throughput a sample is the latency of one of several requests in flight, and the throughput is "
        "requests over wall time.",
    ),
    _text(
        "recipe",
        "Training: what is not usual in the step, in this order: optimizer and learning rate (`sgd lr=0.01`), `accumulation=N` "
        "(the batch in N micro-batches), `checkpointing` (activations computed again in the backward pass), `lora=R` (adapters of "
        "that rank trained beside a frozen model). NULL for the usual step: AdamW at 1e-4, the whole batch at once, all "
        "parameters.",
    ),
    _text(
        "precision",
        "Numeric precision of the computation; NULL if nobody recorded it. A training step in bf16 or fp16 runs under autocast "
        "with weights in fp32; fp16 with scaled gradients.",
        allowed=PRECISIONS,
    ),
    Column(
        "batch_size",
        INT64,
        "Items per call; NULL if nobody recorded it. Of a training step, items per optimizer step: a micro-batch of gradient "
        "accumulation holds batch_size / options.gradient_accumulation_steps of them.",
        above=0,
    ),
    Column(
        "sequence_length",
        INT64,
        "Text tokens per item, for models that take text, image placeholders not counted; NULL if not recorded.",
        above=0,
    ),
    Column(
        "sound_s",
        FLOAT64,
        "Seconds of sound per item, of a model run from the waveform on; NULL for every other scenario.",
        unit="s",
        above=0,
    ),
    _text("input_shape", "Canonical text of all input dimensions, e.g. `input_ids=1x64;attention_mask=1x64`."),
    _milliseconds("latency_ms_mean", "Mean latency of one call."),
    _milliseconds("latency_ms_std", "Standard deviation of the samples (n − 1).", zero=True),
    _milliseconds("latency_ms_min", "Fastest sample."),
    _milliseconds("latency_ms_p50", "Median latency."),
    _milliseconds(
        "latency_ms_p50_low",
        "Lower end of the 95 % confidence interval of the median, from order statistics, widened where samples follow "
        "each other; NULL where too few samples give none.",
    ),
    _milliseconds("latency_ms_p50_high", "Upper end of that interval."),
    _milliseconds("latency_ms_p90", "90th percentile, linear interpolation."),
    _milliseconds("latency_ms_p95", "95th percentile, linear interpolation."),
    _milliseconds("latency_ms_p99", f"99th percentile; only from {MINIMUM_SAMPLES_FOR_P99} samples on."),
    _milliseconds("latency_ms_max", "Slowest sample."),
    Column("samples_ms", ColumnType.LIST_FLOAT64, "The raw samples, in the order they were taken.", unit="ms", above=0),
    Column("n_samples", INT64, "How many samples the statistics stand on.", above=0),
    Column("n_warmup", INT64, "Calls made and thrown away before sampling.", at_least=0),
    Column(
        "n_attempts",
        INT64,
        "How many times sampling was tried: a second time where the first was noisy or unsteady; the steadier one stands.",
        above=0,
    ),
    Column(
        "throughput_items_per_s",
        FLOAT64,
        "Items (batch entries) per second: batch size over mean latency; with several requests in flight, batch size "
        "times requests over wall time.",
        unit="items/s",
        above=0,
    ),
    Column(
        "tokens_per_s",
        FLOAT64,
        "Tokens of the model's text input over mean latency, image placeholders counted (for t5 the source alone); of a "
        "generation, the new tokens.",
        unit="tokens/s",
        above=0,
    ),
    Column(
        "real_time_factor",
        FLOAT64,
        "Of a model run from sound: the time of one call over the seconds of sound in it. Under 1 it keeps up with a speaker.",
        above=0,
    ),
    _milliseconds("first_token_ms", "Time to the first generated token."),
    _milliseconds("time_per_output_token_ms", "Time per generated token after the first."),
    _milliseconds(
        "forward_ms_mean",
        "Training: time of all forward passes of a step, the loss included, mean over the samples; the means of the three parts "
        "add up to latency_ms_mean, but for what waits for the device. By events of the stream on CUDA and ROCm, by the clock "
        "on the CPU; on MPS the device is waited for between the parts.",
    ),
    _milliseconds("forward_ms_p50", "Training: its median; medians of disturbed samples need not add up."),
    _milliseconds("backward_ms_mean", "Training: time of all backward passes of a step, taken likewise."),
    _milliseconds("backward_ms_p50", "Training: its median."),
    _milliseconds(
        "optimizer_ms_mean",
        "Training: time in which the optimizer changes the weights and gradients are set free, taken likewise; with fp16, "
        "unscaling the gradients too.",
    ),
    _milliseconds("optimizer_ms_p50", "Training: its median."),
    _milliseconds(
        "load_ms", "Loading the model, apart from steady state; with random weights (see options), building it."
    ),
    _milliseconds("compile_ms", "Converting and compiling for the backend, apart from steady state."),
    _milliseconds(
        "first_inference_ms", "The very first call, apart from steady state; NULL where the output check made it."
    ),
    Column("peak_memory_mb", FLOAT64, "Peak memory; see memory_method for what it covers.", unit="MB", above=0),
    _text("memory_method", "How peak memory was read, or why it was not."),
    Column(
        "parameter_memory_mb",
        FLOAT64,
        "Training: bytes of all parameters, trained or frozen, tied ones once; from the tensors themselves.",
        unit="MB",
        above=0,
    ),
    Column(
        "gradient_memory_mb",
        FLOAT64,
        "Training: bytes of the gradients after the backward pass of one step, in which layer drop may have left out layers; "
        "from the tensors themselves.",
        unit="MB",
        above=0,
    ),
    Column(
        "optimizer_memory_mb",
        FLOAT64,
        "Training: bytes of the optimizer's state after a step, from the tensors themselves; 0 for SGD, which keeps none.",
        unit="MB",
        at_least=0,
    ),
    Column(
        "activation_memory_mb",
        FLOAT64,
        "Training: the most that the forward pass of one micro-batch held at once beyond what was there before it, measured by "
        "the allocator; under autocast the weights' copies in the lower precision are part of it. NULL where no peak is told.",
        unit="MB",
        above=0,
    ),
    _text("activation_memory_method", "How the memory of activations was measured, or why it was not."),
    Column("energy_j", FLOAT64, "Energy of one call; never from an estimate.", unit="J", above=0),
    _text("energy_source", "The counter energy was read from, or why it was not."),
    Column(
        "flops",
        INT64,
        "Floating-point operations of one call at this shape, counted; what gradient checkpointing computes again is not. NULL "
        "where no way of counting worked, and for adapters beside a frozen model, which are not counted.",
        unit="FLOP",
        above=0,
    ),
    _milliseconds(
        "roofline_ms",
        "Least time of one call by the device's measured peaks: operations over the peak of matrix products in this "
        "precision, or weights over memory bandwidth where they exceed the last-level cache, whichever is more.",
    ),
    _text("roofline_limb", "Which of the two gives it.", allowed=("compute", "memory")),
    Column("loss_first", FLOAT64, "Training: loss of the first step."),
    Column("loss_last", FLOAT64, "Training: loss of the last step, on the same batch."),
    Column(
        "losses",
        ColumnType.LIST_FLOAT64,
        "Training: loss of every step that was made on the batch, in order, those that warm up or read memory too. What dropout "
        "draws makes them jump; that the step trains is judged by the loss with the same draws before and after.",
    ),
    Column(
        "flags",
        ColumnType.LIST_STRING,
        "Validity flags of the number. noisy: upper spread or the interval of the median over 25 %, or median "
        "over twice the fastest sample; few_samples: the time was over before there were ten; "
        "unsteady: the second half of the samples is more than 10 % slower or faster than the first; "
        "loaded_machine: something else used over a quarter of the cores while sampling; "
        "slower_than_other_run: in out__results only, another run of the same point, options, environment and harness "
        "version had less than half of its median; "
        "throttled: the clock fell while sampling; software_adapter: software ran what a GPU should have; "
        "cpu_fallback: a part ran on the CPU; faster_than_roofline: the device, or the fastest of its platform, cannot do "
        "the model's arithmetic in that time; is_aggregate: a mean over several configurations or runs, which stand in "
        "rows of their own where they are known; expected_copy: known from an expected (golden) copy alone, no file of "
        "the run itself holds it.",
        allowed=FLAGS,
    ),
    Column("load_avg_1m", FLOAT64, "The host's 1-minute load average just before sampling.", at_least=0),
    Column("cpu_steal_percent", FLOAT64, "CPU time the hypervisor took while sampling.", unit="%", at_least=0),
    Column("cpu_clock_mhz", FLOAT64, "CPU clock just after sampling, mean over cores.", unit="MHz", above=0),
    Column("temperature_c", FLOAT64, "CPU package temperature just after sampling, where readable.", unit="°C"),
    _text("environment_id", "Key into out__environments: hash of what is stable about machine and software."),
    _text("harness_version", "Version of the software that measured."),
    Column("started_at", ColumnType.TIMESTAMP, "When the measurement began, UTC; NULL if the zone is unknown."),
    _text("started_at_text", "The time stamp as the source wrote it."),
)

OWN_KEY = (
    "run_id",
    "config_sha256",
    "hardware",
    "device_name",
    "backend",
    "options",
    "mode",
    "scenario",
    "precision",
    "batch_size",
    "sequence_length",
    "input_shape",
)
"""Natural key of rows that this project measured; without run_id it names the point that was measured."""

IMPORTED_KEY = ("source_sha256", "source_pointer")
"""Natural key of rows read from other people's files."""


def result_id_of(row: Row) -> str:
    """The row's id: hash of its natural key (`OWN_KEY` for hwbench and bundle rows, else `IMPORTED_KEY`)."""
    columns = OWN_KEY if row.get("source") in OWN_SOURCES else IMPORTED_KEY
    return sha256_of([row.get(name) for name in columns])[:32]


def _number_matches_provenance(row: Row) -> str | None:
    has_quantity = any(row.get(name) is not None for name in QUANTITY_COLUMNS)
    if row["status"] == "ok":
        if not has_quantity:
            return "status is ok but nothing was measured"
        if row["provenance"] == "none":
            return "there is a number but provenance is none"
        if row.get("provenance_reason") is None:
            return "provenance has no reason"
    else:
        if has_quantity:
            names = [name for name in QUANTITY_COLUMNS if row.get(name) is not None]
            return f"status is {row['status']} but {', '.join(names)} hold numbers"
        if row["provenance"] != "none":
            return f"status is {row['status']} but provenance is {row['provenance']}"
    return None


def _failure_says_why(row: Row) -> str | None:
    if row["status"] != "ok" and (row.get("error_class") is None or row.get("error_message") is None):
        return f"status is {row['status']} without error_class and error_message"
    if row["status"] == "ok" and (row.get("error_class") is not None or row.get("error_message") is not None):
        return "status is ok with an error"
    return None


def _latencies_are_ordered(row: Row) -> str | None:
    present = [(name, row[name]) for name in ORDERED_LATENCY_COLUMNS if row.get(name) is not None]
    for (low_name, low), (high_name, high) in pairwise(present):
        if low > high * (1 + 1e-9):
            return f"{low_name} {low:g} is above {high_name} {high:g}"
    return None


def _p99_has_samples(row: Row) -> str | None:
    n_samples = row.get("n_samples")
    if row.get("latency_ms_p99") is not None and n_samples is not None and n_samples < MINIMUM_SAMPLES_FOR_P99:
        return f"latency_ms_p99 from {n_samples} samples is only their maximum"
    return None


def _own_numbers_have_samples(row: Row) -> str | None:
    if row["source"] == "hwbench" and row["status"] == "ok":
        missing = [
            name
            for name in ("run_id", "samples_ms", "config_sha256", "n_parameters", "model_size", "environment_id")
            if not row.get(name)
        ]
        if missing:
            return f"a number of our own lacks {', '.join(missing)}"
    samples = row.get("samples_ms")
    if samples is not None and row.get("n_samples") != len(samples):
        return f"n_samples is {row.get('n_samples')}, samples_ms has {len(samples)}"
    return None


def _own_row_has_run(row: Row) -> str | None:
    missing = [name for name in ("run_id", "started_at") if row.get(name) is None]
    return f"a row of our own lacks {', '.join(missing)}" if missing and row["source"] in OWN_SOURCES else None


def _id_is_of_key(row: Row) -> str | None:
    expected = result_id_of(row)
    return (
        None if row["result_id"] == expected else f"result_id is {row['result_id']}, the natural key gives {expected}"
    )


RESULT_RULES: tuple[RowRule, ...] = (
    RowRule(
        "number_has_provenance",
        "A row with status ok holds a number, its provenance and the reason; any other row holds no number.",
        "set status, provenance and numbers together where the row is made",
        _number_matches_provenance,
    ),
    RowRule(
        "failure_says_why",
        "Every status but ok has an error class and a message; ok has neither.",
        "record the reason where the attempt ended",
        _failure_says_why,
    ),
    RowRule(
        "latencies_are_ordered",
        "min ≤ p50 ≤ p90 ≤ p95 ≤ p99 ≤ max.",
        "recompute the statistics from samples_ms",
        _latencies_are_ordered,
    ),
    RowRule(
        "p99_has_samples",
        f"No p99 from fewer than {MINIMUM_SAMPLES_FOR_P99} samples.",
        "store NULL in latency_ms_p99",
        _p99_has_samples,
    ),
    RowRule(
        "own_numbers_have_evidence",
        "A number of our own has its run, raw samples, exact configuration, parameter count and environment; "
        "n_samples counts samples_ms.",
        "keep what the measuring process reported",
        _own_numbers_have_samples,
    ),
    RowRule(
        "own_rows_have_a_run",
        "A row of our own, measured or not, has its run and its start: they say which row is current.",
        "give the row its run_id and started_at where it is made",
        _own_row_has_run,
    ),
    RowRule(
        "result_id_is_of_key",
        "result_id is the hash of the row's natural key.",
        "make it with result_id_of(row)",
        _id_is_of_key,
    ),
)


def _result_table(name: str, description: str, extra: tuple[Column, ...] = ()) -> Table:
    return Table(name, description, (*RESULT_COLUMNS, *extra), ("result_id",), RESULT_RULES)


CORE_LEGACY__RESULTS = _result_table(
    "core_legacy__results",
    "Result records read from old result files, each with its place in its file, its provenance and the reason.",
)
CORE_BENCH__INFERENCE = _result_table(
    "core_bench__inference",
    "Inference executions of this project, one Parquet file per run of a hardware × model cell "
    "(`cell_hardware=…/cell_model=…/run=….parquet`). A cell's older runs stay beside the newest as its history.",
)
CORE_BENCH__TRAINING = _result_table(
    "core_bench__training",
    "Training-step executions of this project, stored like core_bench__inference.",
)
OUT__RESULTS = _result_table(
    "out__results",
    "Every result from every source, side by side.",
    (
        Column(
            "is_current",
            ColumnType.BOOL,
            "False where a newer run of ours measured the same point (configuration, hardware, device, mode, scenario, variant, recipe, "
            "precision, batch size, sequence length, and the memory limit where one refused it), or where the machine was "
            "loaded and another run with the same harness, environment and options was not; such rows are the point's history.",
            nullable=False,
        ),
    ),
)
