"""`hwbench hardware`: what this machine has, and why the rest is absent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hwbench_pipeline.cli.failing import WrongCallError
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
    browsers: Annotated[
        bool,
        typer.Option(
            "--browsers", help="Of each installed browser, Firefox too: what it can do, and what is measured in it."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Probe every platform and print what answered."""
    if browsers and peaks:
        raise WrongCallError("--browsers and --peaks: are two questions. Fix: ask one after the other")
    if browsers:
        _print_browsers(as_json=as_json)
        return
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


def _print_browsers(*, as_json: bool) -> None:
    from hwbench_pipeline.cli.output import say
    from hwbench_pipeline.hardware.browser_report import COLUMNS, browser_rows
    from hwbench_pipeline.hardware.probing import WEB_PLATFORMS, probe

    with messages().status("asking every browser…"):
        rows = browser_rows()
    if as_json:
        print_json(json_rows(COLUMNS, rows))
        return
    if not rows:
        say(probe("wasm").reason or "no browser")
        return
    console = output()
    head = ["browser", "version", "WebGPU adapter", "WebNN", "wasm threads", "SIMD", "isolated", *WEB_PLATFORMS]
    console.print(table(head, [_browser_line(row, WEB_PLATFORMS) for row in rows]))
    reasons = [
        (f"{row['path']} {key}", row[f"{key}_reason"]) for row in rows for key in WEB_PLATFORMS if row[f"{key}_reason"]
    ]
    print_reasons(console, reasons)


def _browser_line(row: dict[str, Any], platforms: tuple[str, ...]) -> list[Any]:
    adapter = row["webgpu_adapter"]
    return [
        row["path"],
        row["version"],
        f"{adapter} (software)" if adapter and row["webgpu_is_software"] else adapter,
        _webnn_words(row),
        *(_word(row[name]) for name in ("wasm_threads", "wasm_simd", "cross_origin_isolated")),
        *(row[f"{key}_measured"] for key in platforms),
    ]


def _webnn_words(row: dict[str, Any]) -> str | None:
    if not row["webnn_asked"]:
        return None if row["webnn_asked"] is None else "none"
    return f"{', '.join(row['webnn_devices']) or 'not told'} (asked for: {', '.join(row['webnn_asked'])})"


def _word(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"
