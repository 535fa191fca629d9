"""What a plug-in answers about its device; run as a process by `asking`, because its code is not ours.

Belongs here: the question and the check that what answers is a backend. Does not belong here: what the answer means
(`probing`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hwbench_pipeline.bench.backends.protocol import PlatformBackend, ProbeAnswer
from hwbench_pipeline.hardware.asking import print_answer
from hwbench_pipeline.hardware.plugins import PluginError, installed_plugins
from hwbench_pipeline.schema.tables.results import PRECISIONS


def ask_plugin(key: str) -> dict[str, Any]:
    """The probe's answer of the plug-in that claims a key.

    Raises `PluginError` where it is no backend or answers something else, and what its own code raises.
    """
    plugin = installed_plugins().usable[key]
    backend = plugin.load()
    if not isinstance(backend, PlatformBackend):
        wanted = ("title", "runtime", "variants", "attention", "computes_on_host_cpu", "prepare", "probe")
        lacking = [name for name in wanted if not hasattr(backend, name)]
        raise PluginError(f"{type(backend).__name__} of {plugin.package} lacks {', '.join(lacking)}")
    found = backend.probe()
    if not isinstance(found, ProbeAnswer):
        raise PluginError(f"probe() of {plugin.package} gave a {type(found).__name__}, expected a ProbeAnswer")
    answer: Mapping[str, Any] = asdict(found)
    unknown = [name for name in found.precisions or () if name not in PRECISIONS]
    if unknown:
        raise PluginError(f"probe() of {plugin.package} names precisions {unknown}; known are {', '.join(PRECISIONS)}")
    return {
        **answer,
        "title": str(backend.title),
        "runtime": str(backend.runtime),
        "computes_on_host_cpu": bool(backend.computes_on_host_cpu),
    }


if __name__ == "__main__":
    print_answer(ask_plugin(sys.argv[1]))
