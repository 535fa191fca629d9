"""The tiny stand-ins of the key models, as data: what to change in the reference configuration.

Belongs here: the shrunk dimensions, mutually consistent (widths divide by heads and groups, special token ids lie
inside the vocabulary, image and audio grids divide by patches and windows). Does not belong here: published values
(`reference_configs`) and the rules that merge and build (`configs`).

A tiny model keeps every kind of layer of the real one and its maximum sequence lengths, so that it takes the same
path through the code and the same sweeps; two layers of 32 to 64 channels keep its outputs informative.
"""

from __future__ import annotations

from typing import Any

_VOCABULARY = 1024

_CLIP_VISION: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 32,
}
_CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": _VOCABULARY,
}
_DECODER: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": _VOCABULARY,
}

TINY_CHANGES: dict[str, dict[str, Any]] = {
    "bert": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": _VOCABULARY,
    },
    "vit": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
        "num_labels": 10,
        "pooler_output_size": 64,
    },
    "detr": {
        "backbone_config": {"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1]},
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_ffn_dim": 128,
        "encoder_attention_heads": 4,
        "decoder_layers": 2,
        "decoder_ffn_dim": 128,
        "decoder_attention_heads": 4,
        "num_queries": 10,
        "num_labels": 10,
    },
    "t5": {
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "vocab_size": _VOCABULARY,
    },
    "llama": _DECODER,
    "qwen2": {**_DECODER, "max_window_layers": 2, "bos_token_id": 1021, "eos_token_id": 1022},
    "whisper": {
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "decoder_layers": 2,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 128,
        "num_mel_bins": 16,
        "max_source_positions": 64,
        "vocab_size": _VOCABULARY,
        "bos_token_id": 1021,
        "eos_token_id": 1021,
        "pad_token_id": 1021,
        "decoder_start_token_id": 1022,
        "begin_suppress_tokens": [220, 1021],
    },
    "wav2vec2": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "conv_dim": [32, 32, 32, 32, 32, 32, 32],
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": 32,
        "output_hidden_size": 64,
    },
    "clap": {
        "audio_config": {
            "spec_size": 64,
            "num_mel_bins": 16,
            "window_size": 4,
            "patch_embeds_hidden_size": 32,
            "hidden_size": 64,
            "depths": [2, 2],
            "num_attention_heads": [2, 4],
            "num_hidden_layers": 2,
            "num_classes": 10,
            "projection_dim": 32,
        },
        "text_config": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": _VOCABULARY,
            "projection_dim": 32,
        },
        "projection_dim": 32,
        "hidden_size": 64,
        "num_hidden_layers": 4,
    },
    "clip": {
        "text_config": {**_CLIP_TEXT, "projection_dim": 32},
        "vision_config": _CLIP_VISION,
        "projection_dim": 32,
    },
    "llava": {
        "vision_config": _CLIP_VISION,
        "text_config": {**_DECODER, "num_key_value_heads": 4, "pad_token_id": 1021},
        "image_token_index": 1020,
        "image_seq_length": 16,
    },
    "llava_next": {
        "vision_config": _CLIP_VISION,
        "text_config": {**_DECODER, "pad_token_id": 1021},
        "image_token_index": 1020,
        "image_seq_length": 16,
        "image_grid_pinpoints": [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]],
    },
    "xclip": {
        "text_config": _CLIP_TEXT,
        "vision_config": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
            "num_frames": 4,
            "mit_hidden_size": 32,
            "mit_intermediate_size": 64,
            "mit_num_attention_heads": 4,
        },
        "projection_dim": 32,
        "prompt_num_attention_heads": 4,
    },
}
