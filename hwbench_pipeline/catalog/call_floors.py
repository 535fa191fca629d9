"""The least work of one call of a checkpoint, as numbers that can be asked without building the model.

Belongs here: counted operations as data, for judging whether a number is possible at all. Does not belong here:
counting (`flops`), and what a machine can do (`legacy.provenance.plausibility`). Imports no torch.

Counted by `flops.count_flops` on the reference configurations; a test counts again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hwbench_pipeline.catalog.names import MODELS


@dataclass(frozen=True)
class CountedCall:
    """Operations (a multiply-add counts as two) of one item, of a whole call or, where `per_token`, of each token.

    Of a token: what each token from the 3rd to the 64th adds, floor of the mean. Of a call: at the catalog's input size.
    """

    flops: int
    per_token: bool


COUNTED_CALLS: dict[str, CountedCall] = {
    "bert": CountedCall(220_363_776, per_token=True),
    "vit": CountedCall(35_127_656_448, per_token=False),
    "detr": CountedCall(162_334_464_000, per_token=False),
    "t5": CountedCall(123_412_480, per_token=True),
    "llama": CountedCall(2_080_735_232, per_token=True),
    "qwen2": CountedCall(993_599_488, per_token=True),
    "whisper": CountedCall(65_968_896, per_token=True),
    "wav2vec2": CountedCall(71_685_253_120, per_token=False),
    "clap": CountedCall(172_302_336, per_token=True),
    "clip": CountedCall(77_119_488, per_token=True),
    "llava": CountedCall(13_853_261_824, per_token=True),
    "llava_next": CountedCall(16_709_582_848, per_token=True),
    "xclip": CountedCall(77_119_488, per_token=True),
}

_KEY_BY_CHECKPOINT = {
    name.lower(): model.key for model in MODELS for name in (model.model_id, model.model_id.rpartition("/")[2])
}


# 7b, 0.5b, 8x7b, a3b (the active ones of a mixture of experts), as a word of a checkpoint's name
_BILLIONS = re.compile(r"(?:^|[-_ /])(?:\d+x|a)?(\d+(?:\.\d+)?)b(?=$|[-_ .])")
_OPERATIONS_PER_PARAMETER = 2
"""Each weight of a matrix is multiplied and added once per token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)."""


def counted_call(model_id: str) -> CountedCall | None:
    """The least work of the checkpoint with this published id, organisation optional; None where its name tells nothing.

    Counted for the reference checkpoints; for others two operations a token for each parameter that the name states
    (`Llama-2-7b-hf`), of several numbers the smallest. A family name (`bert`, `hf_bert`) may mean any checkpoint of it, also
    far smaller ones, and has none.
    """
    name = model_id.strip().lower()
    key = _KEY_BY_CHECKPOINT.get(name)
    if key is not None:
        return COUNTED_CALLS[key]
    billions = [float(found) for found in _BILLIONS.findall(name.rpartition("/")[2])]
    if not billions or not min(billions):
        return None
    return CountedCall(round(min(billions) * 1e9) * _OPERATIONS_PER_PARAMETER, per_token=True)
