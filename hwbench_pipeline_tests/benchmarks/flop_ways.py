"""Counting a tiny model's operations without data and in a real call on the CPU, in a process of its own."""

from __future__ import annotations

from hwbench_pipeline.catalog import flops
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.inputs import make_inputs

WAYS = {"meta": flops._on_meta, "meta in bf16": flops._on_meta_in_bf16, "CPU": flops._on_cpu}


def count(job, emit):
    """Emit one event with the operations, or the error, of each way."""
    key = job["key"]
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=1)
    found = {}
    for name, way in WAYS.items():
        if name == "meta in bf16" and isinstance(found["meta"], int):
            continue  # asked for only where fp32 cannot be counted without data
        try:
            found[name] = way(key, "tiny", inputs, training=False)
        except Exception as error:  # noqa: BLE001 - any model code may fail
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    emit({"event": "counted", "ways": found})
