"""A list of documents of known shapes: JSON lines, or a list that somebody collected results in.

Belongs here: reading each member by its own shape. Does not belong here: rows that have no shape of their own
(`generic`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hwbench_pipeline.legacy.records import Record, Shape, Unreadable

_MEMBERS_TO_JUDGE = 20
ORIGINALITY = 1


def collection_of(shapes: Sequence[Shape], others: Shape, *, least_shapes: int = 1) -> Shape:
    """The shape of lists with a member of one of the shapes; members of none are left to `others`.

    It recognises lists whose members have at least `least_shapes` different shapes, `others` among them.
    """

    asked = (*shapes, others)

    def shape_of(member: Any) -> Shape | None:
        if isinstance(member, dict):
            for shape in asked:
                if shape.recognises(member):
                    return shape
        return None

    def recognises(document: Any) -> bool:
        if not isinstance(document, list):
            return False
        found = {shape.name for member in document[:_MEMBERS_TO_JUDGE] if (shape := shape_of(member)) is not None}
        return len(found) >= least_shapes and found != {others.name}

    def read(document: Any) -> Iterator[Record | Unreadable]:
        for position, member in enumerate(document):
            shape = shape_of(member)
            for found in shape.read(member) if shape is not None else ():
                yield replace(found, pointer=(str(position), *found.pointer))

    def remarks(document: Any) -> list[str]:
        return [
            f"member {position}: {remark}"
            for position, member in enumerate(document)
            if (shape := shape_of(member)) is not None
            for remark in shape.remarks(member)
        ]

    return Shape("collection", ORIGINALITY, recognises, read, remarks)
