"""What a cell of the grid measures when nobody says otherwise.

Belongs here: the default points of the nightly and of the demo, with their reason.
"""

from __future__ import annotations

from hwbench_pipeline.bench.plan import WEB_VARIANTS, Point, sweep

# real models that a two-core machine without a GPU measures in seconds; the others take their reference size when
# asked for it (`--size reference`)
REFERENCE_SIZE_MODELS = ("bert", "vit", "whisper", "t5")


def default_points(hardware: str, model: str, mode: str) -> tuple[Point, ...]:
    """Tiny at batch 1 and 4, which shows how a cell scales; the real size at batch 1, where `REFERENCE_SIZE_MODELS`
    has it. fp32, each model's default sequence length. Training takes batch 4 at tiny size: contrastive losses need
    more than one item. A browser takes tiny at batch 1: every point there is an export and a browser of its own.
    """
    if hardware in WEB_VARIANTS:
        return sweep(model_sizes=["tiny"], batch_sizes=[1])
    tiny = sweep(model_sizes=["tiny"], batch_sizes=[1, 4] if mode == "inference" else [4])
    reference = sweep(model_sizes=["reference"], batch_sizes=[1]) if model in REFERENCE_SIZE_MODELS else ()
    return tiny + reference
