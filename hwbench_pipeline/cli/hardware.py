"""`hwbench hardware`: what this machine has, and why the rest is absent."""

from __future__ import annotations

from typing import Annotated

import typer

from hwbench_pipeline.cli.options import JsonOption
from hwbench_pipeline.cli.output import json_rows, messages, output, print_json, print_reasons, table

NAME = "hardware"
HELP = "What this machine has, found by asking it, and why the rest is absent."
EXAMPLE = "Example: `hwbench hardware --peaks`"


def run(
    peaks: Annotated[
        bool,
        typer.Option(
            "--peaks", help="Also measure peak GFLOP/s and memory bandwidth (some seconds, alone on the host)."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Probe every platform and print what answered."""
    from hwbench_pipeline.cli.output import say
    from hwbench_pipeline.hardware.host_lock import host_lock
    from hwbench_pipeline.hardware.plugins import installed_plugins
    from hwbench_pipeline.hardware.rows import hardware_rows, presence
    from hwbench_pipeline.schema.tables import CORE_HARDWARE

    with messages().status("asking every platform…"):
        if peaks:
            with host_lock(holder="hwbench hardware --peaks", on_wait=say):
                rows = hardware_rows(with_peaks=True)
        else:
            rows = hardware_rows(with_peaks=False)
    if as_json:
        print_json(json_rows(CORE_HARDWARE.column_names, rows))
        return
    head = ["hardware", "here", "device", "memory MB", "precisions"]
    cells = [
        [
            row["hardware"],
            presence(row),
            row["device_name"],
            row["device_memory_mb"],
            ", ".join(row["precisions"] or ()) or None,
        ]
        for row in rows
    ]
    if peaks:
        head[4:4] = ["fp32 GFLOP/s", "GB/s"]
        for line, row in zip(cells, rows, strict=True):
            line[4:4] = [row["peak_gflops_fp32"], row["memory_bandwidth_gb_per_s"]]
    console = output()
    console.print(table(head, cells, right=("memory MB", "fp32 GFLOP/s", "GB/s")))
    refused = ((plugin.key, plugin.refusal or "") for plugin in installed_plugins().refused)
    absent = ((row["hardware"], row["reason"]) for row in rows if row["reason"] is not None)
    print_reasons(console, [*refused, *absent])
