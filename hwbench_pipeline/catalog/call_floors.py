"""The work of one call of each reference checkpoint, as numbers that can be asked without building the model.

Belongs here: counted operations as data, for judging whether a number is possible at all. Does not belong here:
counting (`flops`), and what a machine can do (`legacy.provenance.plausibility`). Imports no torch.

Counted by `flops.count_flops` on the reference configurations; a test counts again.
"""

from __future__ import annotations

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


def counted_call(model_id: str) -> CountedCall | None:
    """The work of the checkpoint with this published id, organisation optional; None for any other name.

    A family name (`bert`, `hf_bert`) may mean any checkpoint of it, also far smaller ones, and has none.
    """
    key = _KEY_BY_CHECKPOINT.get(model_id.strip().lower())
    return None if key is None else COUNTED_CALLS[key]
