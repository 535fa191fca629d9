"""Models of diffusers made to look like those of transformers, so that nothing else needs to tell them apart.

Belongs here: configuration, module, inputs and labels of a declared architecture. Does not belong here: the declarations.
diffusers is an optional library: it is imported when a class of it is first asked for, and its absence is an answer.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from functools import cache
from typing import Any, ClassVar, Self

import torch
from torch.overrides import TorchFunctionMode
from transformers import PretrainedConfig

from hwbench_pipeline.catalog.architectures import NoModelClassError
from hwbench_pipeline.catalog.diffusion import DIFFUSERS
from hwbench_pipeline.catalog.diffusion.declaring import (
    DENOISING,
    RECONSTRUCTION,
    DiffusersArchitecture,
    Input,
)
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.hardware.environment import installed_version

LIBRARY = "diffusers"
ROTARY_BASE = 10_000.0  # Su et al. 2021, arXiv:2104.09864


class DiffusersConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Every argument of a diffusers class (`arguments`), its defaults included, and one call of it (`inputs`, `fixed`)."""

    model_type = "diffusers"
    key: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)


def diffusers_config(key: str, size: str) -> DiffusersConfig:
    """The configuration of a declared architecture. Raises `NoModelClassError` where diffusers does not have its class."""
    architecture = DIFFUSERS[key]
    form = architecture.form(size)
    signature = inspect.signature(_diffusers_class(architecture).__init__)
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return DiffusersConfig(
        key=key,
        architectures=[architecture.model_class],
        arguments=_plain({**defaults, **form.arguments}),
        inputs={name: _plain(asdict(one)) for name, one in form.inputs.items()},
        fixed=_plain(form.fixed),
    )


def _plain(value: Any) -> Any:
    """As JSON has it: lists for tuples."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def config_source(key: str, size: str) -> str:
    """Where a configuration's values come from, in words."""
    architecture = DIFFUSERS[key]
    source = f"defaults of diffusers {installed_version(LIBRARY) or '(not installed)'}"
    if architecture.checkpoint is not None:
        count = architecture.parameters_millions
        agrees = f", agrees with the {count:,.10g} million parameters that are published" if count else ""
        source = f"{_config_url(architecture.checkpoint)} (from knowledge{agrees})"
    source = f"{source}; {architecture.note}" if architecture.note else source
    return source if size == "reference" else f"shrunk by hand from {source}"


def _config_url(checkpoint: str) -> str:
    owner, repository, *folder = checkpoint.split("/")
    return "/".join(("https://huggingface.co", owner, repository, "blob/main", *folder, "config.json"))


def libraries() -> dict[str, str]:
    """diffusers with its version, whose code these models are."""
    version = installed_version(LIBRARY)
    return {LIBRARY: version} if version else {}


def _diffusers_class(architecture: DiffusersArchitecture) -> Any:
    module, _, name = architecture.class_name.rpartition(":")
    try:
        return getattr(importlib.import_module(f"{LIBRARY}.{module}" if module else LIBRARY), name)
    except (ImportError, AttributeError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == LIBRARY:
            reason, fix = "diffusers is not installed", "pip install diffusers"
        else:
            reason, fix = " ".join(str(error).split()), "another version of diffusers"
        raise NoModelClassError(f"{name} cannot be imported here: {reason}. Fix: {fix}") from error


@cache
def adapted_class(key: str) -> type[AdaptedModel]:
    """The class to build, named as diffusers names its own. Raises `NoModelClassError`."""
    architecture = DIFFUSERS[key]
    members = {
        "__doc__": f"diffusers' {architecture.model_class}.",
        "architecture": architecture,
        "diffusers_class": _diffusers_class(architecture),
        "_supports_sdpa": architecture.calls_sdpa,
    }
    return type(architecture.model_class, (AdaptedModel,), members)


class AdaptedModel(torch.nn.Module):
    """A model of diffusers with the few things that the catalog's other models have."""

    architecture: ClassVar[DiffusersArchitecture]
    diffusers_class: ClassVar[Any]
    _supports_sdpa: ClassVar[bool]

    def __init__(self, config: DiffusersConfig) -> None:
        super().__init__()
        self.config = config
        self.model = self.diffusers_class(**config.arguments)

    @classmethod
    def _from_config(
        cls, config: DiffusersConfig, *, dtype: torch.dtype = torch.float32, attn_implementation: str | None = None
    ) -> Self:
        """As transformers' own: random weights, of that dtype from the start. Attention as asked for, else what it has."""
        config._attn_implementation = attn_implementation or ("sdpa" if cls._supports_sdpa else "eager")
        with _default_dtype(dtype), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # diffusers' own: of what it calls in torch
            return cls(config)

    @classmethod
    def can_generate(cls) -> bool:
        """No tokens come out of it."""
        return False

    def forward(self, labels: torch.Tensor | None = None, **tensors: torch.Tensor) -> dict[str, Any]:
        """The class's outputs by name; given `labels`, their mean square error to the first output too, as `loss`."""
        groups = self.architecture.groups
        grouped = {name for members in groups.values() for name in _members(members)}
        arguments: dict[str, Any] = {name: tensor for name, tensor in tensors.items() if name not in grouped}
        for name, members in groups.items():
            taken = [tensors[member] for member in _members(members)]
            arguments[name] = dict(zip(members, taken, strict=True)) if isinstance(members, Mapping) else tuple(taken)
        written_out = self._supports_sdpa and self.config._attn_implementation == "eager"
        with _WrittenOutAttention() if written_out else contextlib.nullcontext():
            outputs = _named(self.model(**arguments, **self.config.fixed))
        if labels is not None:
            outputs["loss"] = _mean_square_error(next(iter(primary_output(outputs).values())), labels)
        return outputs


def _members(members: tuple[str, ...] | Mapping[str, str]) -> tuple[str, ...]:
    return tuple(members.values()) if isinstance(members, Mapping) else members


def _named(output: Any) -> dict[str, Any]:
    if isinstance(output, Mapping):
        return dict(output)
    return {"sample": output} if isinstance(output, torch.Tensor) else {"features": list(output)}


def _mean_square_error(answer: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Over what both have: a learned variance beside the noise, or a condition beside the latents, takes no part."""
    shared = tuple(slice(min(extents)) for extents in zip(answer.shape, labels.shape, strict=True))
    return torch.nn.functional.mse_loss(answer[shared].float(), labels[shared].float())


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class _WrittenOutAttention(TorchFunctionMode):
    """Eager attention: torch's own function replaced by the products it stands for, which trace and count everywhere.

    Many models of diffusers know no other way than that function.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """What torch documents that `scaled_dot_product_attention` computes."""
    if enable_gqa:
        key, value = (part.repeat_interleave(query.shape[-3] // part.shape[-3], -3) for part in (key, value))
    scores = query @ key.transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        is_boolean = attn_mask.dtype is torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if is_boolean else scores + attn_mask
    return torch.dropout(scores.softmax(-1), dropout_p, train=True) @ value


def make_inputs(config: DiffusersConfig, *, batch_size: int, seed: int) -> dict[str, torch.Tensor]:
    """The tensors of one call, as the configuration declares them. Deterministic by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    declared = {name: Input(**values) for name, values in config.inputs.items()}
    return {
        name: _tensor(one, batch_size, generator).repeat_interleave(one.frames, 0) for name, one in declared.items()
    }


def _tensor(one: Input, batch_size: int, generator: torch.Generator) -> torch.Tensor:
    shape = (batch_size, *one.shape) if one.per_item else tuple(one.shape)
    if one.kind == "normal":
        return torch.randn(shape, generator=generator)
    if one.kind == "uniform":
        assert isinstance(one.value, int | float)
        return torch.rand(shape, generator=generator) * one.value
    if one.kind == "whole":
        assert isinstance(one.value, int)
        return torch.randint(one.value, shape, generator=generator)
    if one.kind == "grid":
        rows, columns = (torch.arange(extent) for extent in shape)
        return torch.cartesian_prod(torch.zeros(1, dtype=torch.int64), rows, columns).float()
    if one.kind in ("cosine", "sine"):
        tokens, width = shape
        angles = torch.outer(torch.arange(tokens), ROTARY_BASE ** (-torch.arange(0, width, 2) / width))
        return (angles.cos() if one.kind == "cosine" else angles.sin()).repeat_interleave(2, 1)
    if one.kind != "constant":
        raise ValueError(f"an input of kind {one.kind!r}: `Input` says which there are. Fix: declare one of these")
    return torch.as_tensor(one.value).expand(shape).clone()


def training_loss_kind(key: str) -> str:
    """`denoising`, `reconstruction`, or surrogate for a part that trains only inside another model."""
    return DIFFUSERS[key].loss or "surrogate"


def make_labels(key: str, inputs: Mapping[str, torch.Tensor], *, seed: int) -> dict[str, torch.Tensor] | None:
    """What the answer is compared with: noise as large as what is denoised, or the input itself; None for a surrogate."""
    loss, first = DIFFUSERS[key].loss, next(iter(inputs.values()))
    if loss == DENOISING:
        return {"labels": torch.randn(first.shape, generator=torch.Generator().manual_seed(seed))}
    return {"labels": first.clone()} if loss == RECONSTRUCTION else None
