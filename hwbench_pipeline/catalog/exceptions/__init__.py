"""What the general rules of the catalog get wrong, by architecture: data, each with its reason.

Belongs here: values that one architecture needs and no rule can know, in the module of its kind. Does not belong here:
rules (`catalog.shrinking`, `catalog.fitting`): what holds for several architectures is worth one.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwbench_pipeline.catalog.exceptions import audio, text, vision, vision_text
from hwbench_pipeline.catalog.exceptions.declaring import Exceptional

EXCEPTIONS: Mapping[str, Exceptional] = {
    **text.EXCEPTIONS,
    **vision.EXCEPTIONS,
    **vision_text.EXCEPTIONS,
    **audio.EXCEPTIONS,
}

_NONE = Exceptional("no exception")


def exception_of(key: str) -> Exceptional:
    """The exception of an architecture; an empty one where the rules suffice."""
    return EXCEPTIONS.get(key, _NONE)
