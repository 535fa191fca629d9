"""Whether steps train: the loss of the fixed batch must have fallen after them.

Belongs here: the rule, and comparing losses free of chance. Does not belong here: the steps (`step`).

A loss in training mode jumps with what dropout draws, so one of a later step below one of an earlier one proves nothing. Here
the same draws are made before and after: the same units are dropped, the same frames masked, and batch norm takes the batch's own
statistics. A step that trains nothing then gives the very same loss.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator

import numpy as np
import torch

LEARNING_STEPS = 30
"""By then a step that trains has lowered the loss of its batch; it is asked after the samples, which mostly are as many."""

LEAST_FALL = 1e-5
"""Of the loss: more than the order of threaded sums changes."""

_SEED = 0


def has_fallen(before: float, after: float) -> bool:
    """Whether a loss is clearly less than it was; never where one of the two is no number."""
    return math.isfinite(after) and before - after > LEAST_FALL * abs(before)


@contextlib.contextmanager
def same_draws(device: torch.device) -> Iterator[None]:
    """What is drawn by chance inside is the same every time; the states of the generators are left as they were.

    wav2vec2 and its like draw their masks with numpy, layer drop of some with Python's own generator.
    """
    ours, numpys = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(_SEED)
            np.random.seed(_SEED)
            random.seed(_SEED)
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)
