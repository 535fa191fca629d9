"""Modules of the catalog models with random weights, the same for the same seed.

Belongs here: from a key and a size to a torch module in eval mode on a device. Does not belong here: configurations
(`configs`), inputs (`inputs`), tracing (`exporting`), and anything that measures.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PretrainedConfig

from hwbench_pipeline.catalog.architectures import model_class_named
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.diffusion import DIFFUSERS, adapting
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.shrinking import set_use_cache
from hwbench_pipeline.catalog.signal import strengthen_weights

# Above this many bytes of fp32 parameters a model is initialised in its own dtype: LLaVA-7B would need 28 GB first.
FP32_INITIALISATION_LIMIT_BYTES = 8 * 1024**3
# T5's attention is not divided by the root of its width; its queries are drawn smaller by that much instead, and with larger
# ones its softmax picks single tokens, which any rounding changes (Raffel et al. 2020, arXiv:1910.10683; T5's initialisation).
KEPT_AS_DRAWN = {"t5": (".q.weight",)}


def model_class(key: str) -> type[torch.nn.Module]:
    """The class that is built. Raises UnknownModelError, or `NoModelClassError` where it cannot be imported."""
    model = catalog_model(key)
    if model.key in DIFFUSERS:
        return adapting.adapted_class(model.key)
    found: type[torch.nn.Module] = model_class_named(model.model_class)
    return found


def libraries(key: str) -> dict[str, str]:
    """Distributions beside torch and transformers whose code a model is, with their versions."""
    return adapting.libraries() if catalog_model(key).key in DIFFUSERS else {}


def attention_implementation(key: str, requested: str | None = None) -> str:
    """The attention implementation to build with: the one requested, else sdpa where the class has it, else eager.

    Raises ValueError where sdpa is requested of a class without it, or another name is given.
    """
    supports_sdpa = bool(getattr(model_class(key), "_supports_sdpa", False))
    if requested is None:
        return "sdpa" if supports_sdpa else "eager"
    if requested == "eager" or (requested == "sdpa" and supports_sdpa):
        return requested
    expected = "eager or sdpa" if supports_sdpa else "eager"
    raise ValueError(
        f"attention {requested!r} of {key}: expected {expected}. Fix: leave it out for the model's default"
    )


def _uninitialised(config: PretrainedConfig, cls: Any, dtype: torch.dtype, attention: str) -> torch.nn.Module:
    # left to itself, transformers takes sdpa in the parts that have it and eager in the rest (DETR's ResNet)
    asked = None if attention == "sdpa" else attention
    module: torch.nn.Module = cls._from_config(config, dtype=dtype, attn_implementation=asked)
    if config.model_type == "detr":
        _unfreeze_detr_stages(module)
    return module


def _unfreeze_detr_stages(module: torch.nn.Module) -> None:
    """Lets stages 2 to 4 of DETR's ResNet train, as published (only the stem and stage 1 stay frozen).

    transformers 5.23 means to, but looks for `stage.1` in names that read `stages.1`, and freezes the whole backbone.
    """
    for name, parameter in module.named_parameters():
        if any(f"backbone.model.encoder.stages.{stage}." in name for stage in (1, 2, 3)):
            parameter.requires_grad = True


def meta_model(
    key: str,
    size: str,
    *,
    dtype: torch.dtype = torch.float32,
    attn_implementation: str | None = None,
    use_cache: bool = False,
) -> torch.nn.Module:
    """The model on the meta device, in eval mode: shapes and names without weights, in under a second at any size.

    The parameters are those of `build_model`.
    """
    config = model_config(key, size)
    set_use_cache(config, use_cache=use_cache)
    attention = attention_implementation(key, attn_implementation)
    # some classes draw a few weights on the CPU whatever the device
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module = _uninitialised(config, model_class(key), dtype, attention)
    return module.to("meta").eval()


def count_parameters(module: torch.nn.Module) -> int:
    """Parameters of a module, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_streamed_parameters(module: torch.nn.Module) -> int:
    """Parameters that every call reads whole, tied ones once: all but those of embeddings, of which it reads rows.

    An output head that is tied to an embedding is not counted either: the number is a lower bound.
    """
    rows = {id(inner.weight) for inner in module.modules() if isinstance(inner, torch.nn.Embedding)}
    return sum(parameter.numel() for parameter in module.parameters() if id(parameter) not in rows)


def weight_bytes_fp32(module: torch.nn.Module) -> int:
    """Bytes of parameters and buffers in fp32, tied ones once: floating ones at 4 bytes, others at their own size."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() * (4 if t.is_floating_point() else t.element_size()) for t in tensors)


def _cast(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Casts parameters and stored buffers; the rest, rotary frequencies above all, stays fp32 as in from_pretrained."""
    derived = {
        (inner, name): buffer
        for inner in module.modules()
        for name, buffer in inner.named_buffers(recurse=False)
        if name in inner._non_persistent_buffers_set
    }
    module.to(dtype=dtype)
    for (inner, name), buffer in derived.items():
        setattr(inner, name, buffer)


def build_model(
    key: str,
    size: str,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    attn_implementation: str | None = None,
    use_cache: bool = False,
) -> torch.nn.Module:
    """A catalog model in eval mode with random weights.

    The weights depend on `seed` alone: they are drawn in fp32 on the CPU, then cast and moved, so that every device
    and dtype holds the same ones (models above `FP32_INITIALISATION_LIMIT_BYTES` are drawn in their dtype). The
    global random state is left as it was. `device` may be meta, which holds shapes only. `attn_implementation` is
    sdpa, eager (what traces for OpenVINO) or None for the model's default. `use_cache` is what the configuration
    says about key-value caches: True for generation, False where only a forward pass is wanted.

    Raises UnknownModelError, or ValueError for a size or attention implementation that is not known.
    """
    target = torch.device(device)
    attention = attention_implementation(key, attn_implementation)
    shapes = meta_model(key, size, dtype=dtype, attn_implementation=attention, use_cache=use_cache)
    if target.type == "meta":
        return shapes
    config = model_config(key, size)
    set_use_cache(config, use_cache=use_cache)
    fits = 4 * count_parameters(shapes) <= FP32_INITIALISATION_LIMIT_BYTES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _uninitialised(config, model_class(key), torch.float32 if fits else dtype, attention)
        strengthen_weights(module, kept_as_drawn=KEPT_AS_DRAWN.get(config.model_type, ()))
    _cast(module, dtype)
    return module.to(device=target).eval()
