"""Breadth: how many architectures of the catalog each way of running them was verified for, counted from rows.

Belongs here: the ways, the counts by category, and what is missing. Does not belong here: cells of a team's own grid
(`coverage`), causes of failures (`failures`), or how a page looks (`reports/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.analysis.failures import cause_of
from hwbench_pipeline.catalog.architectures import CARRIERS
from hwbench_pipeline.catalog.names import CatalogModel

Row = Mapping[str, Any]

_POINT = ("model", "mode", "hardware", "variant", "scenario", "precision", "batch_size", "sequence_length")


@dataclass(frozen=True)
class Way:
    """One way of running a model: mode and hardware, and the variant where it is not the hardware's usual one."""

    mode: str
    hardware: str
    variant: str | None

    @property
    def title(self) -> str:
        """The way in words."""
        call = "training step" if self.mode == "training" else "forward"
        return " ".join(filter(None, (self.hardware, self.variant, call)))


@dataclass(frozen=True)
class Entry:
    """One architecture with the row of each way that tried it.

    `is_part` says that it is only found inside other models.
    """

    key: str
    category: str
    modalities: tuple[str, ...]
    is_part: bool
    rows: Mapping[Way, Row]

    def is_verified(self, way: Way) -> bool:
        """Whether it ran that way and its output, or its loss, was compared with the reference's and equals it."""
        row = self.rows.get(way)
        return row is not None and row["status"] == "ok" and row.get("output_max_rel_error") is not None

    def has_all_modalities(self, way: Way) -> bool:
        """Whether it is verified with an input of every modality that it takes."""
        return self.is_verified(way) and not self.missing_modalities(way)

    def missing_modalities(self, way: Way) -> tuple[str, ...]:
        """Of a model of several modalities, those of which a row's inputs held nothing."""
        if len(self.modalities) < 2:
            return ()
        shape = self.rows[way].get("input_shape") or ""
        given = {part.partition("=")[0].removeprefix("decoder_") for part in shape.split(";")}
        return tuple(name for name in self.modalities if not given & self._carriers(name))

    def _carriers(self, modality: str) -> set[str]:
        named = set(CARRIERS[modality])
        # a model of videos that takes no images beside them has one argument for frames
        return named | set(CARRIERS["image"]) if modality == "video" and "image" not in self.modalities else named


def entries(rows: Iterable[Row], models: Iterable[CatalogModel], parts: Sequence[str]) -> list[Entry]:
    """The models in their order, each with its current rows.

    Rows of tiny stand-ins only, trained by the usual recipe, and only those of the configuration that the newest of a model's rows names: what an older one
    showed is no evidence of it. The newest row of a point stands for it. A way is verified where one of its points is: the row is
    that point's, else the newest.
    """
    in_time = sorted(
        (
            row
            for row in rows
            if row["model"] is not None
            and row["hardware"] is not None
            and row["model_size"] == "tiny"
            and row.get("recipe") is None
        ),
        key=lambda row: str(row["started_at"]),
    )
    newest = {row["model"]: row["config_sha256"] for row in in_time if row["config_sha256"] is not None}
    of_point: dict[tuple[Any, ...], Row] = {}
    for row in in_time:
        if row["config_sha256"] in (None, newest.get(row["model"])):
            of_point[tuple(row.get(name) for name in _POINT)] = row
    by_model: dict[str, dict[Way, Row]] = {}
    for row in sorted(of_point.values(), key=lambda row: (row["status"] == "ok", str(row["started_at"]))):
        by_model.setdefault(row["model"], {})[Way(row["mode"], row["hardware"], row.get("variant"))] = row
    return [
        Entry(model.key, model.category, model.modalities, model.key in parts, by_model.get(model.key, {}))
        for model in models
    ]


def ways(found: Iterable[Entry]) -> list[Way]:
    """Every way that rows stand for: inference first, then by hardware, a usual way before its variants."""
    known = {way for entry in found for way in entry.rows}
    return sorted(known, key=lambda way: (way.mode, way.hardware, way.variant or ""))


@dataclass(frozen=True)
class Count:
    """Of `total` architectures `tried` have a row, `verified` ran with the right output, `whole` so with every modality."""

    total: int
    tried: int
    verified: int
    whole: int

    @property
    def percent(self) -> float | None:
        """Verified of all, None of none."""
        return 100 * self.verified / self.total if self.total else None


def count(found: Sequence[Entry], way: Way) -> Count:
    """The counts of one way over these architectures."""
    return Count(
        len(found),
        sum(way in entry.rows for entry in found),
        sum(entry.is_verified(way) for entry in found),
        sum(entry.has_all_modalities(way) for entry in found),
    )


def by_category(found: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The architectures of each category, the largest category first."""
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        groups.setdefault(entry.category, []).append(entry)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def causes(found: Iterable[Entry], way: Way) -> dict[str, int]:
    """How many of these architectures a way fails for, by cause; `never_tried` where there is no row."""
    counted: dict[str, int] = {}
    for entry in found:
        if entry.is_verified(way):
            continue
        cause = cause_of(entry.rows[way]) or "no_hardware" if way in entry.rows else "never_tried"
        counted[cause] = counted.get(cause, 0) + 1
    return dict(sorted(counted.items(), key=lambda item: -item[1]))
