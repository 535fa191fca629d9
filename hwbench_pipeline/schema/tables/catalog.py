"""What can be measured, and on what: the model catalog, the hardware found, the environments measured in."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.results import MODEL_SIZES, PRECISIONS

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

UNKNOWN_CATEGORY = "unknown"
"""Of an architecture whose class cannot be imported or whose configuration cannot be built here."""
CATEGORIES = (
    "text_encoder",
    "text_decoder",
    "encoder_decoder",
    "vision",
    "vision_text",
    "audio",
    "speech_text",
    "multimodal",
    "video",
    "diffusion",
    "time_series",
    "decision",
    UNKNOWN_CATEGORY,
)

CORE_MODELS = Table(
    "core_models",
    "The model catalog: one row per model and size, with what is known about it without running it.",
    (
        Column("model", STRING, "Catalog key.", nullable=False),
        Column("model_size", STRING, "tiny or reference.", nullable=False, allowed=MODEL_SIZES),
        Column(
            "model_id",
            STRING,
            "Hugging Face id of the published checkpoint, or the tiny stand-in's name.",
            nullable=False,
        ),
        Column("architecture", STRING, "Hugging Face `model_type`; of diffusers, the catalog key.", nullable=False),
        Column("category", STRING, "Category.", nullable=False, allowed=CATEGORIES),
        Column("model_class", STRING, "Class of transformers or diffusers that is built.", nullable=False),
        Column("modalities", ColumnType.LIST_STRING, "What it takes: text, image, audio, video, time.", nullable=False),
        Column(
            "output_modalities",
            ColumnType.LIST_STRING,
            "What its class says it gives: text, image, audio, video, time; NULL where it says nothing.",
        ),
        Column("main_input", STRING, "The argument that its class names as the main one; NULL where it names none."),
        Column("tasks", ColumnType.LIST_STRING, "transformers' auto mappings that name the architecture."),
        Column(
            "component_of",
            ColumnType.LIST_STRING,
            "Architectures that hold this one as a part (a tower, a sub-model); empty for standalone ones.",
        ),
        Column("config_sha256", STRING, "Hash of the exact configuration; NULL where it cannot be built."),
        Column("config_json", STRING, "The configuration as canonical JSON; NULL where it cannot be built."),
        Column("config_source", STRING, "Where the configuration's values come from.", nullable=False),
        Column(
            "n_parameters", INT64, "Parameters, counted on the meta device; NULL where it cannot be built.", above=0
        ),
        Column("weight_bytes_fp32", INT64, "Bytes of parameters and buffers in fp32.", unit="B", above=0),
        Column("input_shape", STRING, "Input dimensions of one item, at the default sequence length."),
        Column("sequence_length", INT64, "Default tokens per item; NULL for models that take no text.", above=0),
        Column(
            "flops",
            INT64,
            "Operations of one forward call on that one item; NULL where they cannot be counted.",
            unit="FLOP",
            above=0,
        ),
        Column("flops_method", STRING, "How the operations were counted, or why not.", nullable=False),
        Column(
            "reason",
            STRING,
            "Why it gave no answer when its tiny size was tried, or cannot be built at this size, with transformers' own "
            "words. NULL where neither is so.",
        ),
    ),
    ("model", "model_size"),
)


def _export_says_why_not(row: Row) -> str | None:
    has_file = row.get("export_sha256") is not None
    if (row["status"] == "ok") != has_file:
        return f"its status is {row['status']}, and there is {'a' if has_file else 'no'} file"
    return None if has_file or row.get("error_message") else "there is no file, and no reason"


CORE_MODELS__ONNX = Table(
    "core_models__onnx",
    "The ONNX files that browsers run: one row per model, size and graph, with the file, or with what each route to one said.",
    (
        Column("model", STRING, "Catalog key, the partition.", nullable=False),
        Column("model_size", STRING, "tiny or reference.", nullable=False, allowed=MODEL_SIZES),
        Column(
            "stage",
            STRING,
            "Of a generation, which of its graphs: encoder, prompt, step; where there is none of them, step. NULL for the "
            "graph of a whole forward pass.",
            allowed=("encoder", "prompt", "step"),
        ),
        Column("model_id", STRING, "As in core_models.", nullable=False),
        Column("config_sha256", STRING, "Hash of the exact configuration; NULL where it cannot be built."),
        Column(
            "status",
            STRING,
            "ok where there is a file whose outputs are torch's.",
            nullable=False,
            allowed=("ok", "failed"),
        ),
        Column(
            "error_class", STRING, "WrongOutputError where a file was made and gave other outputs, else NoRouteError."
        ),
        Column("error_message", STRING, "What each route said."),
        Column("route", STRING, "The way to the graph: torch's tracing exporter or transformers' own."),
        Column(
            "export_sha256",
            STRING,
            "The file's key in the store: hash of weights, configuration, inputs, route and exporters. The graphs of a "
            "generation share one.",
        ),
        Column("file", STRING, "Where it lay when it was written."),
        Column("file_bytes", INT64, "The graph and the weights beside it.", unit="B", above=0),
        Column("opset", INT64, "Version of the ONNX operators.", above=0),
        Column("n_nodes", INT64, "Operations in the graph.", above=0),
        Column("input_names", ColumnType.LIST_STRING, "The graph's inputs, in order."),
        Column("output_names", ColumnType.LIST_STRING, "The graph's outputs, in order."),
        Column(
            "input_shape",
            STRING,
            "Dimensions of the call that it was made with, which it is fixed to, but for a step's cache and mask.",
        ),
        Column(
            "replaced_in_trace",
            ColumnType.LIST_STRING,
            "Code of the model that the graph holds in other operations than its own.",
        ),
        Column(
            "export_ms",
            FLOAT64,
            "What making the file took, when it was made; of a generation, all of its files.",
            unit="ms",
            above=0,
        ),
        Column(
            "output_max_rel_error",
            FLOAT64,
            "Largest difference of ONNX Runtime's outputs on the CPU from torch's, over the largest value; of a generation, "
            "at any of its tokens.",
        ),
        Column("exported_at", ColumnType.TIMESTAMP, "When it was made, or found made, UTC.", nullable=False),
    ),
    ("model", "model_size", "stage"),
    (
        RowRule(
            "export_says_why_not",
            "A row has a file, or says why there is none.",
            "return what the exporters said as the error message",
            _export_says_why_not,
        ),
    ),
)


def _absence_says_why(row: Row) -> str | None:
    return None if row["is_available"] or row.get("reason") else "it is absent without a reason"


CORE_HARDWARE = Table(
    "core_hardware",
    "The platforms of the grid as probed on this host: what is there, and why the rest is not.",
    (
        Column("hardware", STRING, "Hardware key, the grid's partition.", nullable=False),
        Column(
            "platform", STRING, "Platform of the key; the key itself where another package brings it.", nullable=False
        ),
        Column("is_available", ColumnType.BOOL, "Whether cells can run on it here.", nullable=False),
        Column("reason", STRING, "Why it is not available, found by probing; the fix where there is one."),
        Column(
            "is_software",
            ColumnType.BOOL,
            "Whether software on the CPU plays this device: what is measured there stands for no GPU, and nothing runs there "
            "unless it is asked for by name.",
        ),
        Column("probe", STRING, "What was asked and what it answered.", nullable=False),
        Column("device_name", STRING, "The device's own name."),
        Column("device_memory_mb", FLOAT64, "Memory of the device; the host's for CPU platforms.", unit="MB", above=0),
        Column("driver_version", STRING, "Driver version."),
        Column("backend", STRING, "Software that runs cells on it."),
        Column("backend_version", STRING, "Version of that software."),
        Column("precisions", ColumnType.LIST_STRING, "Precisions the backend runs on it.", allowed=PRECISIONS),
        Column("supports_training", ColumnType.BOOL, "Whether training steps can run on it.", nullable=False),
        *(
            Column(
                f"peak_gflops_{precision}",
                FLOAT64,
                f"Measured {precision} matrix-multiply peak, best of repeated probes.",
                unit="GFLOP/s",
                above=0,
            )
            for precision in ("fp32", "bf16", "fp16")
        ),
        Column(
            "memory_bandwidth_gb_per_s",
            FLOAT64,
            "Measured copy bandwidth, read + write, best of repeated probes.",
            unit="GB/s",
            above=0,
        ),
        Column("peaks_method", STRING, "How the peaks were measured, or why not.", nullable=False),
        Column("probed_at", ColumnType.TIMESTAMP, "When it was probed, UTC.", nullable=False),
    ),
    ("hardware",),
    (
        RowRule(
            "absence_says_why",
            "Hardware that is not available says why.",
            "return the probe's answer as the reason",
            _absence_says_why,
        ),
    ),
)

ENVIRONMENT_COLUMNS: tuple[Column, ...] = (
    Column("environment_id", STRING, "Hash of every other column.", nullable=False),
    Column("machine", STRING, "Host name."),
    Column("os", STRING, "Operating system and release."),
    Column("cpu_name", STRING, "CPU model."),
    Column("cpu_cores_physical", INT64, "Physical cores.", above=0),
    Column("cpu_cores_logical", INT64, "Logical cores.", above=0),
    Column("cpu_features", ColumnType.LIST_STRING, "Vector instruction sets that matter for inference."),
    Column("memory_total_mb", FLOAT64, "Host memory, rounded to 100 MB.", unit="MB", above=0),
    Column(
        "container_memory_limit_mb",
        FLOAT64,
        "Memory limit of the control group, where there is one.",
        unit="MB",
        above=0,
    ),
    Column("device_name", STRING, "The device that ran the work."),
    Column("device_memory_mb", FLOAT64, "Its memory.", unit="MB", above=0),
    Column("driver_version", STRING, "Its driver."),
    Column(
        "cpu_governor", STRING, "Frequency governor of the CPUs; several where they differ. NULL where there is none."
    ),
    Column(
        "cpu_turbo", STRING, "Whether the CPU may exceed its base clock. NULL where unreadable.", allowed=("on", "off")
    ),
    Column("cpu_affinity", STRING, "CPUs the process was bound to, where these are fewer than the host's."),
    Column("python_version", STRING, "Python."),
    Column("torch_version", STRING, "torch."),
    Column("transformers_version", STRING, "transformers."),
    Column("openvino_version", STRING, "OpenVINO."),
    Column("threads_intra_op", INT64, "Threads inside one operation, read back from the backend.", above=0),
    Column("threads_inter_op", INT64, "Threads between operations, read back from the backend.", above=0),
    Column("libraries", STRING, "Versions of further libraries, as canonical JSON."),
)

CORE_BENCH__ENVIRONMENTS = Table(
    "core_bench__environments",
    "Environments of our own executions, one file per environment (`environment=….parquet`).",
    ENVIRONMENT_COLUMNS,
    ("environment_id",),
)
CORE_LEGACY__ENVIRONMENTS = Table(
    "core_legacy__environments",
    "Environments that old result files describe.",
    ENVIRONMENT_COLUMNS,
    ("environment_id",),
)
OUT__ENVIRONMENTS = Table(
    "out__environments",
    "Every environment that a result was measured in. Identity only: what varies from run to run "
    "(load, steal, clock, temperature) stands in the result row.",
    (
        *ENVIRONMENT_COLUMNS,
        Column("n_results", INT64, "Rows of out__results measured in it.", nullable=False, at_least=0),
    ),
    ("environment_id",),
)
