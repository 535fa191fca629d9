"""Exported ONNX files, kept by what is in them: a file that was made and checked once is not made again.

Belongs here: what makes two exports the same, where they lie, and how long they stay. Does not belong here: making a file
(`onnx_files`), or running it for a measurement.

A file is kept only when ONNX Runtime on this host gives torch's outputs with it, so that a wrong export is no fault of the
browser that runs it later.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from hwbench_pipeline.bench.backends.onnx_files import STAGE_FILE, StageFile, graph_of_file, write_onnx, write_stages
from hwbench_pipeline.bench.backends.onnxruntime import generated_by, outputs_of
from hwbench_pipeline.bench.backends.protocol import Workload
from hwbench_pipeline.bench.backends.torch import EAGER, TorchBackend
from hwbench_pipeline.bench.judging import largest_relative_error, require_right_output
from hwbench_pipeline.catalog import exporting, generating, signal, traceable
from hwbench_pipeline.catalog.exporting import Graph, TracedForward
from hwbench_pipeline.catalog.generating import TokenCall
from hwbench_pipeline.catalog.inputs import forced_tokens
from hwbench_pipeline.hardware.environment import installed_version
from hwbench_pipeline.state import state_folder

STORE_VARIABLE = "HWBENCH_ONNX_STORE_GB"
"""Environment variable that says how many GB (1e9 bytes) of files are kept, besides those of the last hour."""
DEFAULT_STORE_GB = 20.0
MODEL_FILE = "model.onnx"
_FACTS_FILE = "export.json"
_DRAFT = ".draft-"
_IN_USE_S = 3600.0
"""A file that was asked for in the last hour may still be served to a page."""
GENERATION = "generation"
CHECKED_TOKENS = 5
"""By which a generation's stages are checked: four steps, of which one has the length of cache that the stage was made at."""
_EXPORTERS = ("torch", "transformers", "diffusers", "onnx", "onnxscript")
_KeptT = TypeVar("_KeptT", bound="Kept")


@dataclass(frozen=True)
class Kept:
    """A folder of the store.

    `sha256` is the key: the hash of weights, configuration, inputs, route and exporters. `export_ms` is what making its files
    took, when they were made. `output_max_rel_error` is that of ONNX Runtime on this host against torch.
    """

    folder: Path
    sha256: str
    export_ms: float
    output_max_rel_error: float
    is_new: bool

    @property
    def files(self) -> list[Path]:
        """The graphs and the weights beside them."""
        return _files_in(self.folder)


@dataclass(frozen=True)
class KeptExport(Kept):
    """The file of a model's forward pass."""

    graph: Graph


@dataclass(frozen=True)
class KeptGeneration(Kept):
    """The files of a generation's stages, in the order they run."""

    stages: tuple[StageFile, ...]


class StoreSettingError(ValueError):
    """HWBENCH_ONNX_STORE_GB is no number from 0 on."""


def kept_export(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], route: str) -> KeptExport:
    """The export of a model's forward pass on these inputs by one route: from the store, else made, checked and kept.

    Raises `WrongOutputError` where the file's outputs are not torch's, `StoreSettingError`, and what the exporters raise.
    """

    def made(draft: Path) -> dict[str, Any]:
        began = time.perf_counter()
        graph = write_onnx(model, inputs, route, draft / MODEL_FILE)
        export_ms = (time.perf_counter() - began) * 1e3
        return {
            "outputs": dict(graph.outputs),
            "replaced": list(graph.replaced),
            "export_ms": round(export_ms, 1),
            "output_max_rel_error": _checked_error(graph, model, inputs),
        }

    def read(kept: Kept, facts: Mapping[str, Any]) -> KeptExport:
        graph = graph_of_file(kept.folder / MODEL_FILE, inputs, route, facts["outputs"], facts["replaced"])
        return KeptExport(**vars(kept), graph=graph)

    return _kept(_content_sha256(model, inputs, route), made, read)


def kept_generation(
    model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], tokens: torch.Tensor, route: str
) -> KeptGeneration:
    """The stages of a generation that begins with these inputs, as `kept_export`.

    They are checked over `CHECKED_TOKENS` tokens, at other lengths of the cache than the one they were made at; so they are the
    same for any tokens that a call takes.
    """

    def made(draft: Path) -> dict[str, Any]:
        began = time.perf_counter()
        stages = write_stages(model, inputs, tokens, route, draft)
        export_ms = (time.perf_counter() - began) * 1e3
        return {
            "stages": [{"name": stage.name, "replaced": list(stage.replaced)} for stage in stages],
            "export_ms": round(export_ms, 1),
            "output_max_rel_error": _checked_generation_error(stages, model, inputs),
        }

    def read(kept: Kept, facts: Mapping[str, Any]) -> KeptGeneration:
        stages = tuple(
            StageFile(stage["name"], kept.folder / stage["name"] / STAGE_FILE, tuple(stage["replaced"]))
            for stage in facts["stages"]
        )
        return KeptGeneration(**vars(kept), stages=stages)

    return _kept(_content_sha256(model, inputs, f"{route}, {GENERATION}"), made, read)


def _kept(
    sha256: str,
    made: Callable[[Path], dict[str, Any]],
    read: Callable[[Kept, Mapping[str, Any]], _KeptT],
) -> _KeptT:
    """What the store holds under a key. Where it holds nothing whole, `made` writes files into a folder, checks them and says
    what is known of them; `read` makes of a folder what is asked for."""
    limit_bytes = _limit_bytes()
    folder = _store_folder() / sha256
    found = _recalled(folder, read)
    if found is not None:
        with suppress(OSError):  # another process has just removed it as too old, which its reader will notice
            os.utime(folder)
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder.parent))
    try:
        facts = made(draft)
        facts["bytes"] = {str(path.relative_to(draft)): path.stat().st_size for path in _files_in(draft)}
        (draft / _FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")
        try:
            draft.rename(folder)
        except OSError:  # another process has just kept the same, or what is there is not whole
            if _recalled(folder, read) is None:
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _remove_oldest(folder, limit_bytes)
    kept = _recalled(folder, read, is_new=True)
    if kept is None:
        raise OSError(f"the export in {folder} vanished as it was made. Fix: free space there, or set HWBENCH_STATE")
    return kept


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path != folder / _FACTS_FILE]


def _store_folder() -> Path:
    return state_folder() / "onnx"


def _limit_bytes() -> float:
    told = os.environ.get(STORE_VARIABLE)
    try:
        limit = DEFAULT_STORE_GB if told is None else float(told)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise StoreSettingError(f"{STORE_VARIABLE}={told} is no number from 0 on. Fix: {STORE_VARIABLE}=20")
    return limit * 1e9


def _recalled(
    folder: Path, read: Callable[[Kept, Mapping[str, Any]], _KeptT], *, is_new: bool = False
) -> _KeptT | None:
    """What a folder of the store holds; None where it holds no whole export."""
    try:
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
        if any((folder / name).stat().st_size != size for name, size in facts["bytes"].items()):
            return None
        return read(Kept(folder, folder.name, facts["export_ms"], facts["output_max_rel_error"], is_new), facts)
    except (OSError, ValueError, KeyError):
        return None


def _checked_error(graph: Graph, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> float:
    forward = TracedForward(model, inputs)
    with torch.no_grad():
        outputs = forward(*forward.example_input)
    expected = {name: value.float().numpy() for name, value in zip(forward.output_names, outputs, strict=True)}
    error = largest_relative_error(expected, outputs_of(graph))
    require_right_output(error, "fp32")
    return error


def _checked_generation_error(
    stages: Sequence[StageFile], model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]
) -> float:
    config: Any = model.config
    items = next(iter(inputs.values())).shape[0]
    tokens = forced_tokens(config, items, CHECKED_TOKENS)
    workload = Workload(model, inputs, "fp32", EAGER, "generate", tokens)
    expected = TorchBackend.for_hardware("cpu").prepare(workload).outputs()
    error = largest_relative_error(expected, generated_by(stages, TokenCall.of(model, inputs, tokens)))
    require_right_output(error, "fp32")
    return error


def _content_sha256(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], route: str) -> str:
    """Hash of all that an export follows from: weights and buffers, the model's code and configuration, inputs, route, and
    the exporters."""
    digest = hashlib.sha256(_code_sha256().encode())
    config = getattr(model, "config", None)
    attention = getattr(config, "_attn_implementation", None)
    for text in (type(model).__qualname__, str(config), str(attention), route):
        digest.update(text.encode() + b"\0")
    for module in sorted({type(part).__module__ for part in model.modules()}):
        digest.update(module.encode() + _source_of(module))
    for name, tensor in _tensors_of(model, inputs):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tensors_of(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()
    for name, value in inputs.items():
        yield f"input {name}", torch.as_tensor(value)


@cache
def _source_of(module: str) -> bytes:
    """The source of a model's module; nothing where it has no file, as in a session at a prompt."""
    place = getattr(sys.modules.get(module), "__file__", None)
    with suppress(OSError):
        return Path(place).read_bytes() if place else b""
    return b""


@cache
def _code_sha256() -> str:
    """Hash of the exporters' versions and of our own code around them."""
    from hwbench_pipeline.bench.backends import onnx_files, onnxruntime

    digest = hashlib.sha256()
    for module in (exporting, traceable, generating, signal, onnx_files, onnxruntime):
        digest.update(Path(str(module.__file__)).read_bytes())
    versions: Any = {name: installed_version(name) for name in _EXPORTERS}
    digest.update(json.dumps(versions, sort_keys=True).encode())
    return digest.hexdigest()


def _remove_oldest(kept: Path, limit_bytes: float) -> None:
    """Keep the store within its limit: those that were asked for longest ago go first, never what may be in use.

    What a killed export left half made goes too.
    """
    now = time.time()
    found: list[tuple[float, int, Path]] = []
    for path in kept.parent.iterdir():
        with suppress(OSError):  # another process removes as well
            since = path.stat().st_mtime
            if path.name.startswith(_DRAFT) and now - since > _IN_USE_S:
                shutil.rmtree(path, ignore_errors=True)
            elif not path.name.startswith(_DRAFT):
                found.append((since, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), path))
    total = sum(size for _, size, _ in found)
    for since, size, path in sorted(found):
        if total <= limit_bytes:
            return
        if path == kept or now - since < _IN_USE_S:
            continue
        shutil.rmtree(path, ignore_errors=True)
        total -= size
