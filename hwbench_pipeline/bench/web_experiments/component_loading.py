"""Components of a multimodal model loaded at once or one after the other: when are all of them ready?

Belongs here: the components, their files, and the two ways in turns in one page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hwbench_pipeline.bench.backends.onnx_store import MODEL_FILE, kept_export
from hwbench_pipeline.bench.backends.web.backend import RUNTIMES, WebBackend
from hwbench_pipeline.bench.backends.web.pages import OwnPage
from hwbench_pipeline.bench.plan import WEB_VARIANTS
from hwbench_pipeline.bench.web_experiments.comparing import samples_in_turns
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import TRACED, graph_inputs
from hwbench_pipeline.catalog.inputs import make_inputs

COMPONENTS = ("clip_text_model", "clip_vision_model")
"""The two towers of CLIP, which are two files in every browser application of it."""
IN_TURN, IN_TURN_AGAIN, AT_ONCE = "one after the other", "one after the other, again", "at once"
PLATFORMS = ("wasm", "webgpu")
"""Hardware keys, each by the usual build of its runtime."""


def files_of(size: str) -> dict[str, Path | bytes]:
    """The components' files at a size, by the URL path that the page fetches each from.

    Raises ValueError for a size whose weights do not fit into one file.
    """
    served: dict[str, Path | bytes] = {}
    for key in COMPONENTS:
        model = build_model(key, size, seed=0, attn_implementation=WebBackend.attention)
        config: Any = model.config
        export = kept_export(model, graph_inputs(model, make_inputs(key, config, batch_size=1, seed=0)), TRACED)
        if len(export.files) != 1:
            raise ValueError(f"{key} at {size} size is more than one file. Fix: a smaller size")
        served[f"components/{key}.onnx"] = export.folder / MODEL_FILE
    return served


def compare(page: OwnPage, hardware: str, n_rounds: int) -> dict[str, list[float]]:
    """Milliseconds until all components are ready, by variant. The page's server has to serve `files_of`. Raises `PageError`."""
    runtime = RUNTIMES[hardware, WEB_VARIANTS[hardware][0]]
    asked = {
        "bundle": runtime.bundle,
        "providers": runtime.providers,
        "threads": torch.get_num_threads(),
        "models": [f"components/{key}.onnx" for key in COMPONENTS],
    }

    def load(*, at_once: bool) -> float:
        return float(page.call("loadComponents", {**asked, "at_once": at_once}))

    ways = {
        IN_TURN: lambda: load(at_once=False),
        IN_TURN_AGAIN: lambda: load(at_once=False),
        AT_ONCE: lambda: load(at_once=True),
    }
    return samples_in_turns(ways, n_rounds)
