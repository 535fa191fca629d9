"""Exceptions of architectures that take images or video with text, and of multimodal ones: data, each with a reason."""

from __future__ import annotations

from typing import Any

import torch

from hwbench_pipeline.catalog.exceptions.declaring import Exceptional, Inputs, Values


def _chameleon_codes(n_codes: int, image_id: int) -> Values:
    """Token ids of the image codes by the names that Chameleon's tokenizer gives them: digits as letters."""
    letters = str.maketrans("0123456789", "ABCDEFGHIJ")
    return {"<image>": image_id, **{f"IMGIMG{str(code).translate(letters)}Z": 4 + code for code in range(n_codes)}}


def _emu3_codes(n_codes: int, first: int, image_id: int, end_of_line_id: int) -> Values:
    """Token ids of the image codes by the names that Emu3's tokenizer gives them."""
    names = {f"<|visual token {code:06d}|>": first + code for code in range(n_codes)}
    return {"<image>": image_id, "<|extra_200|>": end_of_line_id, **names}


def _idefics_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    pixels = inputs["pixel_values"]
    grouped = pixels if pixels.dim() == 5 else pixels.unsqueeze(1)
    sees = torch.ones(*inputs["input_ids"].shape, grouped.shape[1], dtype=torch.long)
    taken = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    return {**taken, "pixel_values": grouped, "image_attention_mask": sees}


_GEMMA3_VISION: Values = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 896,
    "patch_size": 14,
}
_GEMMA3_WHY = (
    "the default image gives fewer patches than the default number of image tokens; values of google/gemma-3-4b-it, "
    "with images of 224 pixels in the tiny model, which give as many tokens without 4096 patches of attention"
)
_MODERNVBERT_WHY = "patches of the default image cannot be merged by four; the image size of ModernVBERT/modernvbert"
_PIXTRAL_WHY = "images of any size are taken and the default of 1540 pixels makes a forward take many seconds"
_QWEN2_VL_TEXT: Values = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_window_layers": 28,
}
_QWEN2_VL_WHY = (
    "the default text tower is that of 72B and the vision tower that of 7B; values of Qwen/Qwen2-VL-7B-Instruct"
)


def _molmo2_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    vision = config.vision_config
    n_patches = vision.num_position_embeddings
    side = int(n_patches**0.5)
    pooled = side // 2
    corners = (torch.arange(pooled)[:, None] * 2 * side + torch.arange(pooled) * 2).flatten()
    pools = corners[:, None] + torch.tensor([0, 1, side, side + 1])
    patches = torch.randn(batch, n_patches, 3 * vision.patch_size**2, generator=generator)
    return {
        **{name: inputs[name] for name in ("input_ids", "attention_mask", "mm_token_type_ids")},
        "pixel_values": patches,
        "image_token_pooling": torch.cat([pools + item * n_patches for item in range(batch)]),
        "image_grids": torch.tensor([[pooled, pooled, 0, 0]] * batch),
    }


def _neomme_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    n_patches = 49
    taken = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    return {**taken, "pixel_values": torch.randn(batch * n_patches, config.patch_dim, generator=generator)}


def _pi0_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    vision = config.vlm_config.vision_config
    n_tokens = (vision.image_size // vision.patch_size) ** 2
    text = inputs["input_ids"]
    text = text[:, -min(length, text.shape[1]) :]
    ids = torch.cat([torch.full((batch, n_tokens), config.vlm_config.image_token_id), text], dim=1)
    pixels = (batch, 1, vision.num_channels, vision.image_size, vision.image_size)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(pixels, generator=generator),
        "pixel_attention_mask": torch.ones(batch, 1, dtype=torch.bool),
        "state": torch.randn(batch, config.max_state_dim, generator=generator),
        "noise": torch.randn(batch, config.chunk_size, config.max_action_dim, generator=generator),
        "timestep": torch.rand(batch, generator=generator),
    }


def _colqwen2_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    grid, patches = inputs["image_grid_thw"], inputs["pixel_values"]
    n_tokens = int(grid[0].prod()) // config.vlm_config.vision_config.spatial_merge_size**2
    text = inputs["input_ids"][:, -length:]
    ids = torch.cat([torch.full((batch, n_tokens), config.vlm_config.image_token_id), text], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": patches.reshape(batch, -1, patches.shape[-1]),
        "image_grid_thw": grid,
    }


def _emu3_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    side = 128  # every pixel goes through attention over an eighth of the sides, four times over
    pixels = torch.randn(batch, config.vq_config.in_channels, side, side, generator=generator)
    return {**inputs, "pixel_values": pixels, "image_sizes": torch.tensor([[side, side]] * batch)}


def _xclip_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    frames = inputs["pixel_values"].unsqueeze(1).repeat(1, config.vision_config.num_frames, 1, 1, 1)
    taken = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    return {**taken, "pixel_values": frames + 0.1 * torch.randn(frames.shape, generator=generator)}


def _kimi_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    video = torch.randn(inputs["pixel_values"].shape, generator=generator)
    return {**inputs, "pixel_values_videos": video, "video_grid_thw": inputs["image_grid_thw"].clone()}


def _fuyu_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    side = config.image_size // config.patch_size
    shape = (batch, side**2, config.num_channels * config.patch_size**2)
    taken = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    return {**taken, "pixel_values": torch.randn(shape, generator=generator)}


def _glm_image_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    vision, grid = config.vision_config, inputs["image_grid_thw"]
    values = vision.in_channels * vision.patch_size**2
    n_tokens = int(grid[0].prod())
    text = inputs["input_ids"][:, -length:]
    ids = torch.cat([torch.full((batch, n_tokens), config.image_token_id), text], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": inputs["pixel_values"][:, :values],
        "image_grid_thw": grid.repeat_interleave(2, dim=0),
        "images_per_sample": torch.tensor([2] * batch),
    }


def _inkling_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    n_patches, n_frames = 4, 16
    vision, audio = config.vision_config, config.audio_config
    side = vision.patch_size
    pixels = (batch * n_patches, vision.temporal_patch_size, side, side, vision.num_channels)
    bins = torch.randint(audio.mel_vocab_size, (batch, n_frames, audio.n_mel_bins), generator=generator)
    return {
        **{name: inputs[name] for name in ("input_ids", "attention_mask")},
        "pixel_values": torch.randn(pixels, generator=generator),
        "audio_input_ids": bins,
        "audio_input_ids_mask": torch.ones(batch, n_frames, dtype=torch.long),
    }


def _inkling2_inputs(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    vision = config.vision_config
    rows = columns = 8
    side = vision.patch_size * vision.spatial_merge_size
    pixels = torch.randn(batch * rows * columns, side, side, vision.num_channels, generator=generator)
    grid = torch.tensor([[1, rows, columns]] * batch)
    taken = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    return {**taken, "pixel_values": pixels, "image_grid_thw": grid}


_GLM_ROTARY: Values = {
    "text_config": {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": [8, 12, 12],
        }
    }
}
_GLM4V = Exceptional(
    "the default splits the channels of a head for three positions as if half of them were turned, and turns all; "
    "values of zai-org/GLM-4.1V-9B-Thinking",
    reference=_GLM_ROTARY,
)

EXCEPTIONS: dict[str, Exceptional] = {
    "glm4v": _GLM4V,
    "glm46v": _GLM4V,
    "glmga": _GLM4V,
    "minimax_m3_vl": Exceptional(
        "the few heads of the index that picks blocks would keep the widths from being divided by more than two",
        kept=frozenset({"index_n_heads"}),
    ),
    "aria": Exceptional(
        "the projector knows how many queries 1225 and 4900 patches get, which the default image does not give; "
        "patch size of rhymes-ai/Aria and the smaller of the two image sizes of its processor",
        reference={"vision_config": {"model_type": "idefics3_vision", "image_size": 490, "patch_size": 14}},
    ),
    "aya_vision": Exceptional(
        "14 heads do not divide the default vision width and 27 patches a side cannot be halved; "
        "values of CohereLabs/aya-vision-8b",
        reference={"vision_config": {**_GEMMA3_VISION, "image_size": 364}},
    ),
    "chameleon": Exceptional(
        "the default has no names for the tokens that are image codes; those of facebook/chameleon-7b, for which the "
        "vocabulary stays, with fewer channels in the tiny model, whose encoder is all convolutions",
        reference=lambda: {"vocabulary_map": _chameleon_codes(8192, 8711)},
        tiny={"vq_config": {"base_channels": 32}},
        kept=frozenset({"vocab_size", "image_token_id"}),
    ),
    "cohere_compass": Exceptional(
        "the default says nothing of rotary positions, which every layer with full attention asks for",
        reference={
            "text_config": {
                "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [24, 20, 20]}
                }
            }
        },
    ),
    "colmodernvbert": Exceptional(
        _MODERNVBERT_WHY,
        reference={
            "vlm_config": {
                "model_type": "modernvbert",
                "vision_config": {"model_type": "siglip_vision_model", "image_size": 512},
            }
        },
    ),
    "modernvbert": Exceptional(
        _MODERNVBERT_WHY, reference={"vision_config": {"model_type": "siglip_vision_model", "image_size": 512}}
    ),
    "ultravbert": Exceptional(
        "patches of the default image cannot be merged by four; the least larger image whose patches can",
        reference={"vision_config": {"model_type": "siglip_vision_model", "image_size": 256}},
    ),
    "unlimited_ocr": Exceptional(
        "the first tower hands on as many channels as the second is wide, which is half as wide in the tiny model",
        tiny={"vision_config": {"sam_config": {"downsample_channels": [512, 512]}}},
    ),
    "kimi_k25": Exceptional(
        "the tower puts the steps of a video together and this version of transformers counts them apart, "
        "so that a video may have one step",
        inputs=_kimi_inputs,
    ),
    "fuyu": Exceptional(
        "there is no vision tower: what the model calls pixels are patches, flat in rows",
        inputs=_fuyu_inputs,
    ),
    "glm_image": Exceptional(
        "every sample brings the grid of the image to be made beside that of the image it shows; codes of images "
        "are token "
        "ids, so that a tiny vocabulary holds fewer, and their table reads what the tiny vision tower puts out; "
        "half of a head's channels are turned, as its three positions are split, as in GLM-4.1V",
        reference=_GLM_ROTARY,
        tiny={"vq_config": {"latent_channels": 192, "num_embeddings": 512}},
        inputs=_glm_image_inputs,
    ),
    "qwen4_exp": Exceptional(
        "its layers with full attention pick tokens by an index that the default leaves open; "
        "the least that makes one, for no published values are known here",
        reference={
            "text_config": {
                "indexer_n_heads": 16,
                "indexer_kv_heads": 1,
                "indexer_head_dim": 256,
                "indexer_budget": 2048,
                "indexer_compress_ratio": 16,
            }
        },
        kept=frozenset({"indexer_n_heads"}),
    ),
    "align": Exceptional(
        "pictures of 600 pixels go through 55 blocks of convolutions, which takes the tiny model many seconds; it has a "
        "quarter of the channels and a block of each kind",
        tiny={
            "projection_dim": 160,
            "vision_config": {"image_size": 224, "width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640},
        },
    ),
    "florence2": Exceptional(
        "the widths of its stages stand in a list, and those of the default take more than a second to build",
        tiny={
            "vision_config": {"embed_dim": (32, 64, 128, 256), "num_heads": (1, 2, 4, 8), "num_groups": (1, 2, 4, 8)}
        },
    ),
    "glm4v_moe": Exceptional(
        "96 heads do not divide the default width, and positions are split for heads of 128; those of zai-org/GLM-4.5V",
        reference={"text_config": {"head_dim": 128}},
    ),
    "idefics2": Exceptional(
        "4 heads of its resampler have no divisor in common with the 12 of vision, and a text model 1024 wide takes more "
        "than a second to build",
        tiny={
            "text_config": {
                "hidden_size": 256,
                "intermediate_size": 896,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 64,
            },
            "perceiver_config": {"hidden_size": 256},
        },
    ),
    "janus": Exceptional(
        "the codebook and the channels of the image decoder, which no rule shrinks, take seconds to build",
        tiny={
            "vq_config": {
                "num_embeddings": 1024,
                "base_channels": 32,
                "projection_dim": 256,
                "image_token_embed_dim": 256,
            }
        },
    ),
    "minimax_m3_vl_text": Exceptional(
        "its width is no multiple of its heads' channels, and a model 3072 wide takes seconds to build",
        tiny={
            "hidden_size": 256,
            "intermediate_size": 256,
            "dense_intermediate_size": 512,
            "shared_intermediate_size": 256,
        },
    ),
    "vipllava": Exceptional(
        "five layers of the vision tower are read beside each other, of which the tiny one has two and its input",
        tiny={"vision_feature_layers": [-1, -2, -1, -2, -1]},
    ),
    "gemma4_unified": Exceptional(
        "a token of sound is 640 samples of it, which is no width of the model", kept=frozenset({"audio_embed_dim"})
    ),
    "step3p7": Exceptional(
        "the default has layers with a sliding window and leaves its width open; that of stepfun-ai/Step-3.5-Flash",
        reference={"text_config": {"model_type": "step3p5", "sliding_window": 512}},
    ),
    "xclip": Exceptional(
        "an image is a clip of frames, though the class says that it takes images", inputs=_xclip_inputs
    ),
    "colqwen2": Exceptional(
        f"{_QWEN2_VL_WHY}; patches come padded to the longest image of a batch instead of in one row",
        reference={"vlm_config": {"model_type": "qwen2_vl", "text_config": _QWEN2_VL_TEXT}},
        inputs=_colqwen2_inputs,
    ),
    "qwen2_vl": Exceptional(_QWEN2_VL_WHY, reference={"text_config": _QWEN2_VL_TEXT}),
    "deepseek_ocr2": Exceptional(
        "the default says of no layer whether it has experts and its towers disagree in width; "
        "values of deepseek-ai/DeepSeek-OCR-2",
        reference={
            "vision_config": {
                "encoder_config": {
                    "hidden_size": 896,
                    "intermediate_size": 4864,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 14,
                    "num_key_value_heads": 2,
                }
            },
            "text_config": {
                "vocab_size": 129280,
                "hidden_size": 1280,
                "intermediate_size": 6848,
                "moe_intermediate_size": 896,
                "num_hidden_layers": 12,
                "num_attention_heads": 10,
                "num_key_value_heads": 10,
                "num_experts_per_tok": 6,
                "mlp_layer_types": ["dense", *["sparse"] * 11],
            },
        },
        tiny={"vision_config": {"sam_config": {"downsample_channels": [512, 448]}}},
    ),
    "emu3": Exceptional(
        "the default has no names for the tokens that are image codes; the last ids of the vocabulary, which stays "
        "for them, "
        "with fewer channels in the tiny model, whose encoder is all convolutions, and its text model narrow for the "
        "vocabulary's sake",
        reference=lambda: {"vocabulary_map": _emu3_codes(32768, 151854, 151846, 151847)},
        tiny={
            "vq_config": {"base_channels": 32, "hidden_size": 128},
            "text_config": {"hidden_size": 64, "intermediate_size": 256},
        },
        kept=frozenset({"vocab_size", "image_token_id"}),
        inputs=_emu3_inputs,
    ),
    "gemma3": Exceptional(
        _GEMMA3_WHY, reference={"vision_config": _GEMMA3_VISION}, tiny={"vision_config": {"image_size": 224}}
    ),
    "shieldgemma2": Exceptional(
        _GEMMA3_WHY, reference={"vision_config": _GEMMA3_VISION}, tiny={"vision_config": {"image_size": 224}}
    ),
    "t5gemma2": Exceptional(
        _GEMMA3_WHY,
        reference={"encoder": {"model_type": "t5gemma2_encoder", "vision_config": _GEMMA3_VISION}},
        tiny={
            "encoder": {"vision_config": {"image_size": 224}, "text_config": {"intermediate_size": 512}},
            "decoder": {"intermediate_size": 512},
        },
    ),
    "hunyuan_vl": Exceptional(
        "the default leaves the channels of a head and their share for each of four positions open; "
        "those of tencent/HunyuanOCR",
        reference={
            "text_config": {
                "head_dim": 128,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [16, 16, 16, 16],
                },
            }
        },
    ),
    "idefics": Exceptional(
        "images come in groups and every token says which of them it sees, which no other forward asks for",
        inputs=_idefics_inputs,
    ),
    "idefics3": Exceptional(
        "patches of the default image cannot be merged by two; image and patch size of "
        "HuggingFaceM4/Idefics3-8B-Llama3",
        reference={"vision_config": {"image_size": 364, "patch_size": 14}},
    ),
    "smolvlm": Exceptional(
        "patches of the default image cannot be merged by two; values of HuggingFaceTB/SmolVLM-Instruct",
        reference={"vision_config": {"image_size": 384, "patch_size": 14}, "scale_factor": 3},
    ),
    "inkling_mm_model": Exceptional(
        "an image is a row of patches with steps of time and sound is a row of classes of every mel bin; "
        "its processor, which makes both, cannot run here without torchvision",
        inputs=_inkling_inputs,
    ),
    "inkling2": Exceptional(
        "patches come merged in squares with channels last and the grid counts squares; "
        "its processor, which makes both, cannot run here without torchvision",
        inputs=_inkling2_inputs,
    ),
    "granite4_vision": Exceptional(
        "the default leaves open how features are thinned out and which layers of text get them, and its image has "
        "too few "
        "patches for either; the least change that makes 24 patches a side, of which every window of eight becomes "
        "four",
        reference={
            "vision_config": {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14},
            "downsample_rate": "4/8",
            "deepstack_layer_map": [[-10, 9], [-7, 6], [-4, 3], [-1, 0]],
        },
        tiny={
            "text_config": {"num_hidden_layers": 6},
            "deepstack_layer_map": [[-2, 0], [-1, 1]],
            "spatial_target_layers": [2, 3, 4, 5],
        },
    ),
    "molmo2": Exceptional(
        "a call takes images or videos and refuses both, and says of every token which patches it is pooled from; "
        "its processor, which does, cannot run here without torchvision; the default adapter is narrower than the "
        "text tower "
        "of allenai/Molmo2-8B and the tiny vision tower has two layers to read",
        reference={"adapter_config": {"text_hidden_size": 4096}},
        tiny={"adapter_config": {"vision_feature_layer": [1, 0]}},
        inputs=_molmo2_inputs,
    ),
    "neomme": Exceptional(
        "patches of all images come flat in rows; its processor, which makes them, cannot run here without torchvision",
        inputs=_neomme_inputs,
    ),
    "pi0": Exceptional(
        "a robot's state, the noise that its actions start from and the step of denoising go in beside one camera's "
        "image; "
        "the projector's width stands apart from the text tower's, which is 512 where every part shrinks by its own "
        "factor",
        tiny={"vlm_config": {"projection_dim": 512, "vision_config": {"projection_dim": 512}}},
        inputs=_pi0_inputs,
    ),
    "ovis2": Exceptional(
        "the default text tower is wider than the table of visual words beside it; text tower of AIDC-AI/Ovis2-2B",
        reference={
            "text_config": {
                "model_type": "qwen2",
                "hidden_size": 1536,
                "intermediate_size": 8960,
                "num_hidden_layers": 28,
                "num_attention_heads": 12,
                "num_key_value_heads": 2,
            }
        },
    ),
    "mllama": Exceptional(
        "what the vision tower puts out is as wide as its width times the layers that are read, and the tiny tower "
        "has one "
        "layer to read beside the last",
        reference={"text_config": {"model_type": "mllama_text_model", "vocab_size": 128256}},
        tiny={"vision_config": {"vision_output_dim": 320}},
    ),
    "layoutlmv3": Exceptional(
        "four coordinates and two sides are embedded beside each other and together are as wide as the model",
        tiny={"coordinate_size": 24, "shape_size": 16},
    ),
    "llama4": Exceptional(
        "the default vision width times the four patches that are merged is not the width that its projector reads; "
        "values of meta-llama/Llama-4-Scout-17B-16E",
        reference={"vision_config": {"hidden_size": 1408, "image_size": 336, "vision_output_dim": 4096}},
        tiny={"vision_config": {"projector_input_dim": 512}, "text_config": {"intermediate_size": 512}},
    ),
    "lighton_ocr": Exceptional(_PIXTRAL_WHY, tiny={"vision_config": {"image_size": 448}}),
    "mistral3": Exceptional(_PIXTRAL_WHY, tiny={"vision_config": {"image_size": 448}}),
    "mistral_large4": Exceptional(_PIXTRAL_WHY, tiny={"vision_config": {"image_size": 448}}),
}
