"""The published coverage of the catalog: `docs/coverage.md` and the matrix `docs/coverage.html`, from committed bundles.

Belongs here: how breadth looks. Does not belong here: counting it (`analysis.breadth`), or the report of a warehouse's own
grid (`coverage`). Run `python -m hwbench_pipeline.reports.breadth data/coverage docs` to write both; `make docs` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwbench_pipeline.analysis.breadth import Entry, Way, by_category, causes, count, entries, ways
from hwbench_pipeline.analysis.failures import CAUSES, clusters
from hwbench_pipeline.catalog.architectures import architectures, without_model_class
from hwbench_pipeline.catalog.entries import catalog_keys, catalog_model
from hwbench_pipeline.imports import bundle
from hwbench_pipeline.reports.pages import page
from hwbench_pipeline.reports.tables import markdown_table

Row = Mapping[str, Any]

SEED_PROMISES: Mapping[str, int] = {
    "text_encoder": 45,
    "text_decoder": 30,
    "encoder_decoder": 15,
    "vision": 38,
    "audio": 18,
    "vision_text": 25,
    "multimodal": 12,
    "video": 8,
    "speech_text": 10,
    "diffusion": 12,
}
"""Architectures per category that the system before this one claimed (endomorphosis/ipfs_accelerate_py, table "Comprehensive
HuggingFace Testing": 213 in all), with percentages that nobody had measured."""

_ENVIRONMENT = ("os", "cpu_name", "device_name", "python_version", "torch_version", "transformers_version")
_LONGEST_MESSAGE = 220
CPU_FORWARD = Way("inference", "cpu", None)


@dataclass(frozen=True)
class Published:
    """What the committed bundles hold: their rows, the environments these were measured in, and the files' names."""

    rows: list[Row]
    environments: list[Row]
    files: list[str]


def read_bundles(folder: Path) -> Published:
    """The bundles of a folder, each checked as on import. Raises ValueError for one that does not hold."""
    rows: list[Row] = []
    environments: dict[str, Row] = {}
    files = sorted(folder.glob("*.json.gz"))
    for file in files:
        document = bundle.read(file.read_bytes(), file.name)
        if document.refused:
            refused = document.refused[0]
            raise ValueError(f"{file} {refused.pointer}: {refused.reason}. Fix: measure it again")
        for row in document.rows:
            rows.append(row.columns)
            if row.environment is not None:
                environments[str(row.environment["environment_id"])] = row.environment
    return Published(rows, list(environments.values()), [file.name for file in files])


def catalog_entries(rows: Iterable[Row]) -> list[Entry]:
    """Every model of the installed catalog, parts of others last, with the rows of each way."""
    keys = catalog_keys(components=True)
    parts = [key for key, found in architectures().items() if not found.is_standalone]
    return entries(rows, (catalog_model(key) for key in keys), parts)


def breadth_markdown(published: Published, found: Sequence[Entry]) -> str:
    """The page: counts, by category, what is missing with a command for each, and the parts that are left out."""
    standalone = [entry for entry in found if not entry.is_part and entry.category != "diffusion"]
    diffusion = [entry for entry in found if entry.category == "diffusion" and not entry.is_part]
    own = [*standalone, *diffusion]
    known = ways(found)
    parts = [entry for entry in found if entry.is_part]
    return "\n\n".join(
        [
            "# Coverage of the catalog",
            _introduction(published),
            "## Counts",
            "*Verified*: built at tiny size with random weights, run, and its output, which is not all zero, equals that of "
            "torch in fp32 on the CPU within the precision's tolerance; of a training step, its loss. The forward pass of torch on the "
            "CPU is that reference: what is shown there is that the model builds and runs, with a finite output that is not all zero and "
            "that another input changes. *All modalities*: verified with an input of every modality it takes. Columns up to there are of "
            "standalone transformers types. The matrix of every architecture is [coverage.html](coverage.html); whose operations are counted, and whose not, stands in "
            "[operations.md](operations.md).",
            _counts(known, standalone, diffusion, found),
            "## By category",
            "Verified / all of the category; the last column is what the system before this one promised.",
            _categories(known, own),
            "## Why not",
            _causes(known, own),
            *_failures(known, own),
            "## Verified without a modality",
            _without_modality(known, own),
            "## Losses of the training steps",
            _losses(known, own),
            "## Parts of other models",
            f"{len(parts)} of the {len(found) - len(diffusion)} types of transformers with a model class are parts: towers and sub-models that another type's configuration names in "
            "its `sub_configs`. They are in the counts over all types only. "
            f"{len(without_model_class())} more types have a configuration, and none of transformers' mappings from configurations to "
            f"classes (`AutoModel` and its like) knows a class for it: owners build most of them, others are old names of another "
            f"type's checkpoints, or composed of two models: {', '.join(f'`{key}`' for key in without_model_class())}.",
            *_failures(known, parts, "parts, "),
            markdown_table(
                ("part", "of", *(way.title for way in known)),
                (
                    (
                        f"`{entry.key}`",
                        ", ".join(f"`{owner}`" for owner in architectures()[entry.key].component_of),
                        *(_told(entry, way) for way in known),
                    )
                    for entry in parts
                ),
            ),
        ]
    )


def _introduction(published: Published) -> str:
    dates = sorted({str(row["started_at"])[:10] for row in published.rows})
    period = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "no day"
    machines = []
    for environment in published.environments:
        named = ", ".join(
            f"{name.removesuffix('_version').removesuffix('_name')} {environment[name]}"
            for name in _ENVIRONMENT
            if environment.get(name)
        )
        if named not in machines:
            machines.append(named)
    versions = sorted(
        {
            f"{row['backend']} {row['backend_version'].partition('-')[0]}"
            for row in published.rows
            if row.get("backend_version")
        }
    )
    harnesses = sorted({str(row["harness_version"]) for row in published.rows if row.get("harness_version")})
    return (
        f"Generated by `make docs` from {len(published.rows)} rows in {', '.join(f'`data/coverage/{name}`' for name in published.files)}; "
        f"nothing here is typed in. Measured {period} by hwbench {', '.join(harnesses)}, with {', '.join(versions)}, on:\n\n"
        + "\n".join(f"* {machine}" for machine in machines)
        + "\n\nBring the rows into a warehouse with `hwbench import bundle data/coverage/*.json.gz`."
    )


def _counts(known: Sequence[Way], standalone: list[Entry], diffusion: list[Entry], found: Sequence[Entry]) -> str:
    rows = []
    of_transformers = [entry for entry in found if entry.category != "diffusion"]
    for way in known:
        own, more, every = count(standalone, way), count(diffusion, way), count(of_transformers, way)
        running = [entry for entry in standalone if entry.is_verified(CPU_FORWARD)]
        of_running = sum(entry.is_verified(way) for entry in running)
        rows.append(
            (
                way.title,
                f"{own.tried} / {own.total}",
                f"**{own.verified} / {own.total}** ({_percent(own.percent)})",
                f"{of_running} / {len(running)} ({_percent(100 * of_running / len(running) if running else None)})",
                f"{own.whole} / {own.total} ({_percent(100 * own.whole / own.total if own.total else None)})",
                f"{more.verified} / {more.total}",
                f"{every.verified} / {every.total} ({_percent(every.percent)}), tried {every.tried}",
            )
        )
    head = (
        "way",
        "tried",
        "verified",
        "of those that run forward on cpu",
        "verified with all modalities",
        "diffusers",
        "all types with a class, parts too",
    )
    return markdown_table(head, rows)


def _without_modality(known: Sequence[Way], own: Sequence[Entry]) -> str:
    """The models that a way was verified for with inputs of some of their modalities only."""
    lines = []
    for way in known:
        missing = [(entry.key, entry.missing_modalities(way)) for entry in own if entry.is_verified(way)]
        named = ", ".join(f"`{key}` ({' and '.join(lacking)})" for key, lacking in missing if lacking)
        if named:
            lines.append(f"* {way.title}: {named}")
    if not lines:
        return "None."
    return (
        "These ran and are right with the inputs they were given, which hold nothing of the modality in brackets: the rules for "
        "inputs (`catalog.fitting`) make none for them, or the model takes one of two at a time. They count as verified, and not "
        "as verified with all modalities.\n\n" + "\n".join(lines)
    )


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} %"


def _categories(known: Sequence[Way], own: Sequence[Entry]) -> str:
    return markdown_table(
        ("category", *(way.title for way in known), "promised"),
        (
            (
                category,
                *(f"{count(group, way).verified} / {len(group)}" for way in known),
                SEED_PROMISES.get(category),
            )
            for category, group in by_category(own).items()
        ),
    )


def _causes(known: Sequence[Way], own: Sequence[Entry]) -> str:
    counted = {way: causes(own, way) for way in known}
    named = dict.fromkeys(cause for of_way in counted.values() for cause in of_way)
    return markdown_table(
        ("cause", "meaning", *(way.title for way in known)),
        ((cause, CAUSES.get(cause, "no row"), *(counted[way].get(cause, 0) for way in known)) for cause in named),
    )


def _losses(known: Sequence[Way], own: Sequence[Entry]) -> str:
    """How many verified training steps took a loss of the model's own, and how many a stated surrogate."""
    told = []
    for way in known:
        if way.mode != "training":
            continue
        kinds = [
            json.loads(entry.rows[way]["options"] or "{}").get("loss", "") for entry in own if entry.is_verified(way)
        ]
        n_surrogates = sum(kind.startswith("surrogate") for kind in kinds)
        told.append(
            f"Of {len(kinds)} verified on {way.hardware}, {len(kinds) - n_surrogates} take a loss of the model's own and "
            f"{n_surrogates} a surrogate, which the row's options name: the architecture has none, or the labels made for it "
            "do not fit, which the row's options say."
        )
    return " ".join(told) or "None was run."


def _failures(known: Sequence[Way], own: Sequence[Entry], of: str = "") -> list[str]:
    """For each way the failures alike, with the models and a command that shows one."""
    sections = []
    for way in known:
        failing = [entry.rows[way] for entry in own if way in entry.rows and not entry.is_verified(way)]
        alike = clusters(failing)
        if not alike:
            continue
        lines = [f"### {of}{way.title}: {len(failing)} fail, {len(alike)} kinds"]
        for cluster in alike:
            message = cluster.message
            if len(message) > _LONGEST_MESSAGE:
                message = message[:_LONGEST_MESSAGE] + "…"
            lines.append(
                f"* **{cluster.cause}**, {', '.join(f'`{model}`' for model in cluster.models)}: {_plain(message)}  \n  `{cluster.example}`"
            )
        sections.append("\n".join([lines[0], "", *lines[1:]]))
    return sections


def _plain(message: str) -> str:
    return message.replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def _told(entry: Entry, way: Way) -> str | None:
    if way not in entry.rows:
        return None
    if not entry.is_verified(way):
        return str(entry.rows[way]["status"])
    missing = entry.missing_modalities(way)
    return f"verified, without {' and '.join(missing)}" if missing else "verified"


def breadth_page(published: Published, found: Sequence[Entry]) -> str:
    """The matrix: every architecture down, every way across, by category."""
    known = ways(found)
    groups = by_category([*(entry for entry in found if not entry.is_part)])
    return page(
        "breadth.html",
        ways=known,
        groups=groups,
        parts=[entry for entry in found if entry.is_part],
        count=count,
        told=_told,
        state=_state,
        n_rows=len(published.rows),
        files=published.files,
    )


def _state(entry: Entry, way: Way) -> str:
    if way not in entry.rows:
        return "never_tried"
    if entry.is_verified(way):
        return "measured_tiny_only" if entry.missing_modalities(way) else "measured"
    status = str(entry.rows[way]["status"])
    return status if status in ("unsupported", "no_hardware") else "failed"


def main() -> None:
    """Write coverage.md and coverage.html of the folder of bundles in the first argument into that of the second."""
    bundles, target = map(Path, sys.argv[1:3])
    published = read_bundles(bundles)
    found = catalog_entries(published.rows)
    (target / "coverage.md").write_text(breadth_markdown(published, found) + "\n", encoding="utf-8")
    (target / "coverage.html").write_text(breadth_page(published, found), encoding="utf-8")


if __name__ == "__main__":
    main()
