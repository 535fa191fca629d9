"""Trying every architecture of the catalog, each in a process of its own: a model's code may end the process it runs in.

Belongs here: isolation, deadlines and the order. Does not belong here: what is tried (`catalog.deriving`).
Run as a program it writes the file that is shipped with the package (`make catalog`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hwbench_pipeline.bench.isolation import CellProcesses, Limits
from hwbench_pipeline.catalog import memory
from hwbench_pipeline.catalog.architectures import REMEMBERED_AS, architectures
from hwbench_pipeline.catalog.checkpoints import kept_keys
from hwbench_pipeline.catalog.configs import SIZES
from hwbench_pipeline.catalog.deriving import derive, failed
from hwbench_pipeline.catalog.diffusion import DIFFUSERS
from hwbench_pipeline.catalog.entries import catalog_keys, catalog_model
from hwbench_pipeline.catalog.names import CatalogModel, model_keys

PHASE_TIMEOUT_S = 120.0
"""For trying one architecture, and for counting it at one size, on a machine that does other things as well."""


def run_job(job: Mapping[str, Any], emit: Callable[[Mapping[str, Any]], object]) -> None:
    """Try one architecture, then count it at every size; emits what was found under the names it is kept under."""
    from hwbench_pipeline.catalog.rows import counted

    key = job["key"]
    known = memory.recall(key)
    if known is None:
        known = derive(key).to_json()
        memory.remember(key, known)
    emit({"event": "found", "name": key, "value": known})
    for size in SIZES:
        name = f"{key}.{size}"
        value = memory.recall(name)
        if value is None:
            value = counted(key, size)
            memory.remember(name, value)
        emit({"event": "found", "name": name, "value": value})


def find_out(keys: Iterable[str], *, n_processes: int, on_done: Callable[[str], object] = print) -> dict[str, Any]:
    """Everything that is kept about these architectures, by name; what ended its process says so."""
    pool = [CellProcesses("hwbench_pipeline.bench.deriving:run_job") for _ in range(n_processes)]
    found: dict[str, Any] = {}

    def one(key: str) -> None:
        processes = pool.pop()
        try:
            outcome = processes.run({"key": key}, Limits(PHASE_TIMEOUT_S))
        finally:
            pool.append(processes)
        found.update({event["name"]: event["value"] for event in outcome.events if event["event"] == "found"})
        died = outcome.limit or f"the process ended with exit code {outcome.exit_code}"
        if key not in found:
            reason = f"trying it ended its process: {died}"
            found[key] = failed(architectures()[key], None, "ProcessDied", reason, {}).to_json()
            memory.remember(key, found[key])
        for size in SIZES:
            if f"{key}.{size}" not in found:
                found[f"{key}.{size}"] = _uncounted(found[key]["reason"], died)
                memory.remember(f"{key}.{size}", found[f"{key}.{size}"])
        on_done(key)

    with ThreadPoolExecutor(n_processes) as threads:
        list(threads.map(one, keys))
    for processes in pool:
        processes.close()
    return found


def make_known(keys: Iterable[str], *, on_need: Callable[[str], object]) -> None:
    """Try what this machine does not know yet, in processes of their own; `on_need` is told how many that are."""
    by_rule = [key for key in keys if key not in model_keys() and key not in DIFFUSERS]
    unknown = [key for key in by_rule if memory.recall(f"{key}.{SIZES[0]}") is None]
    if unknown:
        on_need(f"{len(unknown)} architectures are not known here yet: trying each, which takes a second or two apiece")
        find_out(unknown, n_processes=max(1, (os.cpu_count() or 2) // 2), on_done=lambda _: None)


def known_models(*, on_need: Callable[[str], object], parts: bool = False) -> list[CatalogModel]:
    """Every standalone model of the catalog, cheapest first: key models, then by parameters at tiny size, then diffusers;
    if asked for, parts of others too; and the checkpoints that are kept on this machine.

    What is not known yet is tried first (`make_known`).
    """
    keys = catalog_keys(components=parts)
    make_known(keys, on_need=on_need)
    models = [catalog_model(key) for key in (*keys, *kept_keys())]
    return sorted(
        models,
        key=lambda model: (
            model.key in DIFFUSERS,
            model.key not in model_keys(),
            _tiny_parameters(model.architecture),
        ),
    )


def _tiny_parameters(key: str) -> float:
    counted = memory.recall(f"{key}.{SIZES[0]}") or {}
    return float(counted.get("n_parameters") or 0)


def _uncounted(reason: str | None, how: str) -> dict[str, Any]:
    from hwbench_pipeline.catalog.rows import DEAR_COLUMNS

    return dict.fromkeys(DEAR_COLUMNS) | {"flops_method": f"not counted: {how}", "reason": reason}


def main() -> None:
    """Find out everything about every architecture and write the shipped file."""
    from hwbench_pipeline.catalog.rows import remembered, remembered_as
    from hwbench_pipeline.cli.output import progress

    keys = [key for key in architectures() if key not in model_keys()]
    with progress() as bar:
        task = bar.add_task("trying every architecture", total=len(keys))

        def done(key: str) -> None:
            bar.update(task, advance=1, description=f"tried {key}")

        found = find_out(keys, n_processes=2, on_done=done)
    found |= {remembered_as(key, size): remembered(key, size) for key in DIFFUSERS for size in SIZES}
    found[REMEMBERED_AS] = memory.recall(REMEMBERED_AS)
    memory.ship(found)
    n_running = sum(found[key]["reason"] is None for key in keys)
    sys.stderr.write(f"{memory.SHIPPED}: {n_running} of {len(keys)} architectures by rule give an answer\n")


if __name__ == "__main__":
    main()
