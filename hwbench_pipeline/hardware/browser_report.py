"""What each installed browser can do, and what hwbench measures in it.

Belongs here: one row for each browser, of what it answered. Does not belong here: asking it (`web_questions`), what an answer
means for a platform (`probing`), and tables for the terminal (`cli.hardware`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwbench_pipeline.hardware.asking import NoAnswerError
from hwbench_pipeline.hardware.browsers import adapter_names_itself, adapter_words, installed_browsers, is_firefox
from hwbench_pipeline.hardware.probing import WEB_PLATFORMS, browser_answer, browser_of, probe_in

COLUMNS = (
    "browser",
    "path",
    "version",
    "webgpu_adapter",
    "webgpu_adapter_named_by",
    "webgpu_is_software",
    "webnn_asked",
    "webnn_devices",
    "wasm_threads",
    "wasm_simd",
    "cross_origin_isolated",
    "no_answer",
    *(f"{key}_{what}" for key in WEB_PLATFORMS for what in ("measured", "reason")),
)
"""`<platform>_measured` is `yes` where hwbench measures it in this browser, `if chosen` where it would if HWBENCH_BROWSER named
it, `no` where it does not, and `<platform>_reason` says why. `webnn_asked` are the devices for which a graph gave right
numbers, `webnn_devices` those that the browser says computed it."""


def browser_rows() -> list[dict[str, Any]]:
    """One row for each installed browser; what it did not tell is None. Raises `BrowserSettingError`."""
    usual = {key: browser_of(key) for key in WEB_PLATFORMS}
    return [{**_told(browser), **_measured(browser, usual)} for browser in installed_browsers()]


def _told(browser: Path) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"browser": "Firefox" if is_firefox(browser) else "Chromium", "path": str(browser)}
    answer = browser_answer(browser)
    if isinstance(answer, NoAnswerError):
        return {**row, "no_answer": probe_in("wasm", browser).reason}
    adapter = answer["webgpu"].get("adapter")
    if adapter is not None and adapter_names_itself(adapter):
        row["webgpu_adapter"] = adapter_words(adapter)
        row["webgpu_adapter_named_by"] = adapter.get("named_by", "the adapter itself")
        row["webgpu_is_software"] = probe_in("webgpu", browser).is_software
    return {
        **row,
        "version": answer["browser_version"],
        "webnn_asked": [device for device, error in answer["webnn"].items() if error is None],
        "webnn_devices": sorted({used for devices in answer["webnn_devices"].values() for used in devices or ()}),
        **{name: answer[name] for name in ("wasm_threads", "wasm_simd", "cross_origin_isolated")},
    }


def _measured(browser: Path, usual: dict[str, Path | None]) -> dict[str, str | None]:
    measured: dict[str, str | None] = {}
    for key in WEB_PLATFORMS:
        found = probe_in(key, browser)
        chosen = usual[key]
        is_usual = chosen is not None and chosen.resolve() == browser.resolve()
        measured[f"{key}_measured"] = "no" if not found.is_available else "yes" if is_usual else "if chosen"
        measured[f"{key}_reason"] = found.reason
    return measured
