"""Configuration keys of old benchmark suites: `batch_4_seq_128`, `batch_1_img_224x224`, `batch_2_audio_5s`.

Belongs here: what such a key says about the input of one call. Does not belong here: which object has the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hwbench_pipeline.legacy.json_values import positive_integer

_PAIR = re.compile(r"(?:^|_)(?P<name>[a-z]+)[_=](?P<value>[0-9][0-9a-z.]*)(?=_|$)")
_NAMES = {"bs": "batch", "batchsize": "batch", "img": "image", "seqlen": "seq", "sequence": "seq"}


@dataclass(frozen=True)
class Configuration:
    """The input of one call as far as the source states it.

    `input_shape` names what is neither batch nor sequence, e.g. `image=224x224` (pixels) or `audio=5s`.
    """

    batch_size: int | None = None
    sequence_length: int | None = None
    input_shape: str | None = None


def parse_configuration(key: str) -> Configuration:
    """What a configuration key states. A key that states nothing gives an empty configuration; never raises."""
    stated: dict[str, str] = {}
    for pair in _PAIR.finditer(key.strip().lower()):
        name = _NAMES.get(pair["name"], pair["name"])
        stated.setdefault(name, pair["value"])
    batch_size = positive_integer(stated.pop("batch", None))
    sequence_length = positive_integer(stated.pop("seq", None))
    return Configuration(
        batch_size=batch_size,
        sequence_length=sequence_length,
        input_shape=";".join(f"{name}={value}" for name, value in stated.items()) or None,
    )
