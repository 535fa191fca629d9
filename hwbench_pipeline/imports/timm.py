"""timm's result tables of `benchmark.py`: `benchmark-infer-….csv` and `benchmark-train-….csv`.

Belongs here: which column is what, and what the file's name states about device, precision and software, which stand
nowhere else. Does not belong here: timm's accuracy tables, which hold no times.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from hwbench_pipeline.catalog.published_peaks import ANY_DEVICE_HALF_FLOP_PER_S, CLOCK_MARGIN, published_peak
from hwbench_pipeline.imports.documents import is_json, text_table
from hwbench_pipeline.imports.environments import described_environment
from hwbench_pipeline.imports.records import (
    Document,
    ForeignDocumentError,
    ImportedRow,
    Refused,
    count_of,
    json_text,
    quantity_of,
)
from hwbench_pipeline.schema.table import canonical_json

_MODES = {"infer": ("inference", "forward"), "train": ("training", "train_step")}
_TIMES = ("samples_per_sec", "step_time")
_PLAIN_VIT = re.compile(r"vit_(?:tiny|small|base|large)_patch\d+_\d+")

CONSISTENCY = 0.05
"""How far step time × rate may be from the batch size: timm takes the two from separate timers."""
_HALF_CENT = 0.00501  # samples per second are printed with two decimals
_HALF_MICROSECOND = 0.000501  # step times in ms with three


@dataclass(frozen=True)
class NameEvidence:
    """What a file's name states. Everything is None, or missing in `options`, where the name does not say it."""

    hardware: str | None = None
    device_name: str | None = None
    precision: str | None = None
    torch_version: str | None = None
    cuda_version: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What was taken from the name, in words."""
        parts = [
            part
            for part in (
                self.hardware,
                self.device_name,
                self.precision,
                self.torch_version and f"torch {self.torch_version}",
            )
            if part
        ]
        return ", ".join(parts) or "nothing"


def name_evidence(file_name: str) -> NameEvidence:
    """What the name of a timm benchmark file states: `…-amp-nhwc-pt240-cu124-rtx3090-dynamo.csv`."""
    tokens = PurePath(file_name).name.lower().removesuffix(".csv").split("-")
    cuda = next((match[1] for token in tokens if (match := re.fullmatch(r"cu(\d{3})", token))), None)
    is_cpu = "cpu" in tokens
    stated = next((token for token in tokens if token in ("amp", "fp32", "float32", "fp16", "bf16", "bfloat16")), None)
    options: dict[str, Any] = {}
    if "dynamo" in tokens:
        options["compile"] = "dynamo"
    if stated is not None:
        options["precision_stated"] = stated
    layout = next((token for token in tokens if token in ("nchw", "nhwc")), None)
    if layout is not None:
        options["memory_layout"] = layout
    hardware = None
    if (cuda is not None) != is_cpu:
        hardware = "cuda" if cuda is not None else "cpu"
    return NameEvidence(
        hardware=hardware,
        device_name=next((name for token in tokens if (name := _device(token, hardware)) is not None), None),
        precision=_precision(stated, hardware),
        torch_version=next((name for token in tokens if (name := _torch_version(token)) is not None), None),
        cuda_version=None if cuda is None else f"{cuda[:2]}.{cuda[2:]}",
        options=options,
    )


def _device(token: str, hardware: str | None) -> str | None:
    # the bare number of an RTX card is only read as one where the name also states CUDA
    card = re.fullmatch(r"(rtx)?([2-5]0[5-9]0)(ti)?", token)
    if card and hardware == "cuda":
        return f"NVIDIA GeForce RTX {card[2]}{' Ti' if card[3] else ''}"
    core = re.fullmatch(r"i([3579])_(\d{4,5}[a-z]{0,3})", token)
    if core and hardware == "cpu":
        return f"Intel Core i{core[1]}-{core[2].upper()}"
    return None


def _precision(stated: str | None, hardware: str | None) -> str | None:
    if stated == "amp":
        return "mixed"
    if stated in ("fp32", "float32"):
        # PyTorch lets convolutions use TF32 on CUDA unless told otherwise, so there the name does not say what ran
        return "fp32" if hardware == "cpu" else None
    return {"fp16": "fp16", "bf16": "bf16", "bfloat16": "bf16"}.get(stated or "")


def _torch_version(token: str) -> str | None:
    match = re.fullmatch(r"pt(\d{2,4})", token)
    if match is None:
        return None
    digits = match[1]
    if digits[0] == "1":  # pt113 is 1.13: torch 1.x names carry no patch number
        return f"1.{digits[1:]}"
    return f"{digits[0]}.{digits[1:-1]}.{digits[-1]}" if len(digits) > 2 else f"{digits[0]}.{digits[1]}"


def has_times(columns: Collection[str]) -> bool:
    """Whether the columns are those of a timm benchmark table, which times a model."""
    return "model" in columns and bool(_timed_modes(columns))


def _timed_modes(columns: Collection[str]) -> list[str]:
    return [prefix for prefix in _MODES if any(f"{prefix}_{what}" in columns for what in _TIMES)]


def read(data: bytes, name: str) -> Document:
    """The rows of a timm benchmark table. Raises ForeignDocumentError and UnreadableDocumentError."""
    if is_json(data):
        raise ForeignDocumentError(
            "JSON, expected a timm benchmark table in CSV. Fix: choose the format the file is in, or none needed"
        )
    table = text_table(data)
    prefixes = _timed_modes(table.header)
    if not has_times(table.header):
        raise ForeignDocumentError(
            f"a table without times (columns {', '.join(table.header[:6])!r:.200}), expected model and infer_step_time, "
            "infer_samples_per_sec, train_step_time or train_samples_per_sec. Fix: none needed if it holds no times"
        )
    if len(set(table.header)) != len(table.header):
        raise ForeignDocumentError("a table that names a column twice, expected each once. Fix: write it again")
    evidence = name_evidence(name)
    rows: list[ImportedRow] = []
    refused: list[Refused] = []
    for position, line in enumerate(table.rows):
        if len(line) != len(table.header):
            reason = f"{len(line)} cells, expected {len(table.header)}. Fix: restore the line from its writer"
            refused.append(Refused(f"row={position}", reason))
            continue
        cells = dict(zip(table.header, line, strict=True))
        for prefix in prefixes:
            read_row = _row(cells, prefix, position, evidence)
            (rows if isinstance(read_row, ImportedRow) else refused).append(read_row)  # type: ignore[arg-type]
    return Document("timm_" + "_".join(prefixes), rows, refused)


def _row(cells: Mapping[str, str], prefix: str, position: int, evidence: NameEvidence) -> ImportedRow | Refused:
    model = cells["model"].strip()
    batch_size = count_of(cells.get(f"{prefix}_batch_size"))
    image_size = count_of(cells.get(f"{prefix}_img_size"))
    pointer = f"row={position};mode={prefix};model={model};batch_size={_text(batch_size)};img_size={_text(image_size)}"
    if not model:
        return Refused(pointer, "no model named, expected one. Fix: restore the line from its writer")
    stated = {what: cells.get(f"{prefix}_{what}", "").strip() for what in _TIMES}
    for what, cell in stated.items():
        if cell and quantity_of(cell) is None:
            return Refused(
                pointer, f"{prefix}_{what} is {cell!r:.60}, expected a number above zero. Fix: correct the cell"
            )
    mode, scenario = _MODES[prefix]
    rate, step_ms = quantity_of(stated["samples_per_sec"]), quantity_of(stated["step_time"])
    millions = quantity_of(cells.get("param_count"))
    environment = described_environment(
        device_name=evidence.device_name,
        cpu_name=evidence.device_name if evidence.hardware == "cpu" else None,
        torch_version=evidence.torch_version,
        libraries=None if evidence.cuda_version is None else {"cuda": evidence.cuda_version},
    )
    columns: dict[str, Any] = {
        "source": "timm",
        "model_id": model,
        "model": "vit" if _PLAIN_VIT.fullmatch(model) else None,
        # the table rounds to 0.01 million
        "n_parameters": None if millions is None else round(millions * 1e6),
        "backend": "torch",
        "backend_version": evidence.torch_version,
        "options": canonical_json({"library": "timm", **evidence.options}),
        "hardware": evidence.hardware,
        "hardware_requested": evidence.hardware,
        "device_name": evidence.device_name,
        "mode": mode,
        "scenario": scenario,
        "precision": evidence.precision,
        "batch_size": batch_size,
        "input_shape": None if image_size is None else f"img_size={image_size}",
        "environment_id": None if environment is None else environment["environment_id"],
        "reported_values": json_text(
            {name: cell for name, cell in cells.items() if cell and name not in _STORED | {"model"}}
        ),
    }
    if rate is None and step_ms is None:
        columns |= {
            "provenance": "none",
            "status": "failed",
            "error_class": "NoNumber",
            "error_message": "the table lists the model without a rate or step time: the run gave no number",
        }
        return ImportedRow(pointer, columns, environment)
    columns |= {"status": "ok", "latency_ms_mean": step_ms, "throughput_items_per_s": rate}
    columns |= _worth(rate, step_ms, batch_size, _flops_per_s(cells, prefix, rate), evidence)
    return ImportedRow(pointer, columns, environment)


_STORED = frozenset(f"{prefix}_{what}" for prefix in _MODES for what in (*_TIMES, "batch_size", "img_size"))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _flops_per_s(cells: Mapping[str, str], prefix: str, rate: float | None) -> float | None:
    """Operations per second that the row claims: a multiply-add counted as two, `gmacs` is for one item."""
    gmacs = quantity_of(cells.get(f"{prefix}_gmacs"))
    return None if gmacs is None or rate is None else 2e9 * gmacs * rate


def _worth(
    rate: float | None, step_ms: float | None, batch_size: int | None, flops_per_s: float | None, evidence: NameEvidence
) -> dict[str, Any]:
    """Provenance of one line, with the reason and the flags."""
    basis = (
        "in the form of timm's benchmark tables: an average over repeated steps without raw samples; "
        f"device, precision and software only from the file's name ({evidence.said})"
    )
    listed = published_peak(evidence.device_name or "")
    # timm runs in 32 or 16 bit; multiply-adds are rounded to 0.01 G
    peak = CLOCK_MARGIN * (ANY_DEVICE_HALF_FLOP_PER_S if listed is None else listed[1].half_flop_per_s)
    if flops_per_s is not None and flops_per_s > peak:
        reason = f"{flops_per_s / 1e12:.4g} TFLOP/s claimed, the device can do {peak / 1e12:.4g} at most; {basis}"
        return {"provenance": "unknown", "provenance_reason": reason, "flags": ["faster_than_roofline"]}
    if rate is None or step_ms is None or batch_size is None:
        return {
            "provenance": "measured",
            "provenance_reason": f"{basis}; rate, step time and batch size not all stated",
        }
    expected = 1000 * batch_size / step_ms
    allowed = (
        expected * (CONSISTENCY + _HALF_MICROSECOND / max(step_ms - _HALF_MICROSECOND, _HALF_MICROSECOND)) + _HALF_CENT
    )
    if abs(rate - expected) > allowed:
        reason = f"{rate:g} samples/s stated, batch {batch_size} in {step_ms:g} ms is {expected:.6g}; {basis}"
        return {"provenance": "unknown", "provenance_reason": reason}
    return {"provenance": "measured", "provenance_reason": f"{basis}; step time × rate gives the batch size"}
