"""Exceptions of text-only architectures, time series and decisions included. Data only, each with its reason."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from hwbench_pipeline.catalog.exceptions.declaring import NARROW_MIMI, Exceptional, Inputs


def _trajectories(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """States, actions and rewards of `length` steps."""

    def noise(width: int) -> torch.Tensor:
        return torch.randn(batch, length, width, generator=generator)

    return {
        "states": noise(config.state_dim),
        "actions": noise(config.act_dim),
        "rewards": noise(1),
        "returns_to_go": noise(1),
        "timesteps": torch.arange(length).expand(batch, length).clone(),
        "attention_mask": torch.ones(batch, length, dtype=torch.long),
    }


def _marked_questions(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A prompt with one question of each type; the mark of a question is the end of its part of the prompt."""
    from transformers.decision.template_utils import Question

    n_tokens = inputs["input_ids"].shape[1]
    kinds = sorted(Question.questions_types, key=config.offsets.__getitem__)
    starts = [*(config.offsets[kind] for kind in kinds), config.num_verbalizers]
    asked = {
        "marks": [(index + 1) * n_tokens // len(kinds) for index in range(len(kinds))],
        "num_options": [end - start for start, end in pairwise(starts)],
        "question_type_ids": [Question.questions_types.index(kind) for kind in kinds],
    }
    return {
        "input_ids": inputs["input_ids"],
        **{name: torch.tensor(values).expand(batch, len(values)).clone() for name, values in asked.items()},
    }


def _seen_regions(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Beside the text, features and boxes of 36 regions of an image, as LXMERT's detector gives."""
    shape = (batch, 36)
    return {
        **inputs,
        "visual_feats": torch.randn(*shape, config.visual_feat_dim, generator=generator),
        "visual_pos": torch.rand(*shape, config.visual_pos_dim, generator=generator),
    }


def _table_types(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Token types of a question and a table: one column of ids for each of the kinds that the configuration counts."""
    shape = inputs["input_ids"].shape
    types = [torch.randint(min(3, size), shape, generator=generator) for size in config.type_vocab_sizes]
    return {**inputs, "token_type_ids": torch.stack(types, dim=2)}


def _drafted_block(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Embeddings of the block that is drafted, and what the target model's layers said of the text before."""
    width = config.hidden_size
    read = width * len(config.target_layer_ids)
    return {
        "noise_embeds": torch.randn(batch, config.block_size, width, generator=generator),
        "context_hidden_states": torch.randn(batch, length, read, generator=generator),
    }


def _codes_of_both(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A text token and the codes of the sound at every step."""
    codes = torch.randint(config.codebook_vocab_size - 1, (batch, length, config.num_codebooks), generator=generator)
    ids = torch.cat([inputs["input_ids"][:, :length, None], codes], dim=2)
    return {"input_ids": ids, "attention_mask": torch.ones(batch, length, dtype=torch.long)}


def _canvas_beside_image(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A prompt with an image of four by four pooled patches, and a canvas to denoise in place of one drawn anew."""
    vision = config.vision_config
    side = 4 * vision.pooling_kernel_size
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([columns.flatten(), rows.flatten()], dim=1)
    text = inputs["input_ids"]
    ids = torch.cat([text[:, :1], torch.full((batch, 16), config.image_token_id), text[:, 1:]], dim=1)
    vocabulary = config.text_config.vocab_size
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == config.image_token_id).long(),
        "pixel_values": torch.rand(batch, side * side, 3 * vision.patch_size**2, generator=generator),
        "image_position_ids": places.expand(batch, -1, -1).clone(),
        "decoder_input_ids": torch.randint(vocabulary, (batch, config.canvas_length), generator=generator),
    }


def _bytes(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Text as bytes, after six special tokens."""
    ids = torch.randint(6, config.vocab_size, (batch, length), generator=generator)
    return {"inputs": ids, "attention_mask": torch.ones_like(ids)}


_LFM2_8B_LAYERS = ["conv", "conv", *["full_attention", "conv", "conv", "conv"] * 4]
_LFM2_8B_LAYERS += ["full_attention", "conv", "conv", "full_attention", "conv", "conv"]

EXCEPTIONS: dict[str, Exceptional] = {
    "autoformer": Exceptional(
        why="the default leaves prediction and context open, and the 10 steps that its decoder starts from lie in it",
        reference={"prediction_length": 24, "context_length": 48},
    ),
    "blt": Exceptional(
        why="its two local models name the global model's width in a field of their own, and tables of 500002 hashes "
        "for every byte group make 128 million parameters of a width of 256",
        tiny={
            "encoder_hash_byte_group_vocab": 1024,
            "encoder_config": {"hidden_size_global": 512},
            "decoder_config": {"hidden_size_global": 512},
        },
    ),
    "canine": Exceptional(
        why="the first of its classes in the mappings chooses between texts and takes a third axis",
        model_class="CanineForSequenceClassification",
    ),
    "codegen": Exceptional(
        why="its attention splits the heads into four groups whatever the configuration says",
        tiny={"n_head": 4, "n_embd": 256},
    ),
    "dbrx": Exceptional(
        why="the attention needs a rotary base that its default configuration lacks: those of databricks/dbrx-instruct",
        reference={"attn_config": {"rope_theta": 500000, "kv_n_heads": 8, "clip_qkv": 8}},
        tiny={"attn_config": {"rope_theta": 500000, "kv_n_heads": 1, "clip_qkv": 8}},
    ),
    "decision_transformer": Exceptional(
        why="it takes trajectories of states, actions and rewards instead of text", inputs=_trajectories
    ),
    "deepseek_v2": Exceptional(
        why="the default experts are 1407 wide, which grouped matrix products refuse; DeepSeek-V2-Lite says 1408",
        reference={"moe_intermediate_size": 1408},
    ),
    "diffusion_gemma": Exceptional(
        why="the default leaves the experts of its layers open: 128 of them 704 wide, eight at once; it has six layers "
        "whose products, each four times as wide, would take a second to build; "
        "its forward pass hands images on unnamed, and draws a canvas by chance where none is given",
        reference={"text_config": {"num_experts": 128, "top_k_experts": 8, "moe_intermediate_size": 704}},
        tiny={"text_config": {"intermediate_size": 512}},
        inputs=_canvas_beside_image,
    ),
    "esm": Exceptional(
        why="the default leaves open the vocabulary and the tokens of padding and mask, which the embeddings read; "
        "those of facebook/esm2_t6_8M_UR50D",
        reference={"vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1},
    ),
    "evolla": Exceptional(
        why="the width of a head follows from text and protein together, and a text model 1024 wide takes a second to build",
        tiny={"hidden_size": 256, "intermediate_size": 896, "num_attention_heads": 4, "num_key_value_heads": 2},
    ),
    "falcon": Exceptional(
        why="71 heads have no divisor to shrink by",
        tiny={"hidden_size": 128, "num_attention_heads": 2, "num_kv_heads": 2, "ffn_hidden_size": 512},
    ),
    "jev": Exceptional(
        why="it reads the places of marks and the kinds of questions beside its one prompt", inputs=_marked_questions
    ),
    "kyutai_speech_to_text": Exceptional(
        why="every step holds a text token and the codes of the sound; its codec takes a second to build unless it is narrow",
        tiny={"codec_config": NARROW_MIMI},
        inputs=_codes_of_both,
    ),
    "lfm2_moe": Exceptional(
        why="the default leaves the kinds of its layers open; those of LiquidAI/LFM2-8B-A1B",
        reference={"num_hidden_layers": len(_LFM2_8B_LAYERS), "layer_types": _LFM2_8B_LAYERS},
    ),
    "lilt": Exceptional(
        why="six parts of a box's place share the width, which must therefore be a multiple of 6",
        tiny={"hidden_size": 192, "num_attention_heads": 2, "intermediate_size": 768},
    ),
    "llama4_text": Exceptional(
        why="8 experts of 8192 channels and products of 16384 take seconds to build",
        tiny={"intermediate_size": 512, "intermediate_size_mlp": 1024},
    ),
    "lxmert": Exceptional(
        why="it reads features of the regions of an image that another model found, no pixels, and boxes are 4 wide",
        kept=frozenset({"visual_feat_dim", "visual_pos_dim"}),
        inputs=_seen_regions,
    ),
    "mimo_v2_flash": Exceptional(
        why="layers with a window have twice the key and value heads that the configuration says",
        tiny={"num_attention_heads": 4, "num_key_value_heads": 1},
    ),
    "mobilebert": Exceptional(
        why="the width of its bottleneck has a name of its own and must be that of the embeddings",
        tiny={"intra_bottleneck_size": 64},
    ),
    "muse_glimmer_assistant": Exceptional(
        why="it drafts from the hidden states of the model that it assists, not from tokens", inputs=_drafted_block
    ),
    "perceiver": Exceptional(
        why="its latents' width, the layers of a block and the argument that takes its bytes have names of their own",
        tiny={"num_self_attends_per_block": 2, "d_latents": 256},
        inputs=_bytes,
    ),
    "rwkv": Exceptional(why="it has no heads whose number tells how far its width shrinks", tiny={"hidden_size": 128}),
    "tapas": Exceptional(why="its token types say row, column and rank in a table", inputs=_table_types),
    "xmod": Exceptional(
        why="the language whose adapters are used is open by default", reference={"default_language": "en_XX"}
    ),
    "zamba": Exceptional(
        why="the kinds of its layers are of a fixed number, its weights are shared between two hybrid layers, and two "
        "heads of its recurrence are too few to shrink its width by",
        tiny={
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "num_hidden_layers": 5,
            "layers_block_type": ["linear_attention", "linear_attention", "hybrid", "linear_attention", "hybrid"],
        },
    ),
    "zamba2": Exceptional(
        why="the kinds of its layers are of a fixed number, and its weights are shared between hybrid layers",
        tiny={
            "num_hidden_layers": 5,
            "layers_block_type": ["linear_attention", "linear_attention", "hybrid", "linear_attention", "hybrid"],
        },
    ),
}
