"""The published configurations of the reference checkpoints, as data.

Belongs here: the values of each checkpoint's config.json that decide shapes, work and outputs, and its published
parameter count. Does not belong here: tiny stand-ins (`tiny_configs`) and building configuration objects (`configs`).

Values are those of the config.json at `https://huggingface.co/<model id>`, written down without network access and
verified by parameter count: the model built from them has the published number of parameters. Fields left out have
the same value in the checkpoint as in the transformers configuration class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReferenceConfig:
    """The configuration of one published checkpoint.

    `values` are keyword arguments of the transformers configuration class; `parameters_millions` is the published
    parameter count in millions of the class the checkpoint names; `note` says where the values differ from the file.
    """

    values: dict[str, Any]
    parameters_millions: float
    note: str = ""


# CLIP ViT-L/14 at 336 pixels, the vision tower of both LLaVA checkpoints.
_CLIP_LARGE_336: dict[str, Any] = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
# The text tower that CLIP and X-CLIP share; begin and end ids are those of the files, not of the tokenizer.
_CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}

REFERENCE_CONFIGS: dict[str, ReferenceConfig] = {
    "bert": ReferenceConfig(
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
            "vocab_size": 30522,
            "pad_token_id": 0,
            "layer_norm_eps": 1e-12,
        },
        109.51,
    ),
    "vit": ReferenceConfig(
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 224,
            "patch_size": 16,
            "num_labels": 1000,
            "layer_norm_eps": 1e-12,
        },
        86.57,
    ),
    "detr": ReferenceConfig(
        {
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 64,
                "hidden_sizes": [256, 512, 1024, 2048],
                "depths": [3, 4, 6, 3],
                "layer_type": "bottleneck",
                "out_features": ["stage4"],
            },
            "use_timm_backbone": False,
            "d_model": 256,
            "encoder_layers": 6,
            "encoder_ffn_dim": 2048,
            "encoder_attention_heads": 8,
            "decoder_layers": 6,
            "decoder_ffn_dim": 2048,
            "decoder_attention_heads": 8,
            "num_queries": 100,
            "num_labels": 91,
        },
        41.50,
        "with the ResNet-50 of transformers in place of timm's, which is the same network",
    ),
    "t5": ReferenceConfig(
        {
            "d_model": 512,
            "d_kv": 64,
            "d_ff": 2048,
            "num_layers": 6,
            "num_decoder_layers": 6,
            "num_heads": 8,
            "vocab_size": 32128,
            "feed_forward_proj": "relu",
            "decoder_start_token_id": 0,
            "pad_token_id": 0,
            "eos_token_id": 1,
        },
        60.51,
    ),
    "llama": ReferenceConfig(
        {
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "num_hidden_layers": 22,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5,
            "vocab_size": 32000,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        1100.05,
    ),
    "qwen2": ReferenceConfig(
        {
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "max_window_layers": 24,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
            "bos_token_id": 151643,
            "eos_token_id": 151645,
        },
        494.03,
    ),
    "whisper": ReferenceConfig(
        {
            "d_model": 384,
            "encoder_layers": 4,
            "encoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "decoder_layers": 4,
            "decoder_attention_heads": 6,
            "decoder_ffn_dim": 1536,
            "num_mel_bins": 80,
            "max_source_positions": 1500,
            "max_target_positions": 448,
            "vocab_size": 51865,
            "bos_token_id": 50257,
            "eos_token_id": 50257,
            "pad_token_id": 50257,
            "decoder_start_token_id": 50258,
            "begin_suppress_tokens": [220, 50257],
        },
        37.76,
    ),
    "wav2vec2": ReferenceConfig(
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "conv_dim": [512, 512, 512, 512, 512, 512, 512],
            "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
            "conv_stride": [5, 2, 2, 2, 2, 2, 2],
            "num_conv_pos_embeddings": 128,
            "num_conv_pos_embedding_groups": 16,
            "feat_proj_dropout": 0.1,
            "vocab_size": 32,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        94.40,
    ),
    "clap": ReferenceConfig(
        {
            "audio_config": {
                "spec_size": 256,
                "num_mel_bins": 64,
                "patch_size": 4,
                "patch_stride": [4, 4],
                "window_size": 8,
                "patch_embeds_hidden_size": 96,
                "hidden_size": 768,
                "depths": [2, 2, 6, 2],
                "num_attention_heads": [4, 8, 16, 32],
                "enable_fusion": False,
                "num_classes": 527,
                "projection_dim": 512,
            },
            "text_config": {
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "max_position_embeddings": 514,
                "type_vocab_size": 1,
                "vocab_size": 50265,
                "bos_token_id": 0,
                "eos_token_id": 2,
                "pad_token_id": 1,
                "projection_dim": 512,
            },
            "projection_dim": 512,
        },
        153.5,
    ),
    "clip": ReferenceConfig(
        {
            "text_config": {**_CLIP_TEXT, "projection_dim": 512},
            "vision_config": {
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "image_size": 224,
                "patch_size": 32,
                "projection_dim": 512,
            },
            "projection_dim": 512,
        },
        151.28,
    ),
    "llava": ReferenceConfig(
        {
            "vision_config": _CLIP_LARGE_336,
            "text_config": {
                "model_type": "llama",
                "hidden_size": 4096,
                "intermediate_size": 11008,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
                "max_position_embeddings": 4096,
                "rms_norm_eps": 1e-5,
                "vocab_size": 32064,
                "pad_token_id": 32001,
            },
            "image_token_index": 32000,
            "image_seq_length": 576,
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
        },
        7063.4,
    ),
    "llava_next": ReferenceConfig(
        {
            "vision_config": _CLIP_LARGE_336,
            "text_config": {
                "model_type": "mistral",
                "hidden_size": 4096,
                "intermediate_size": 14336,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "max_position_embeddings": 32768,
                "rms_norm_eps": 1e-5,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
                "sliding_window": None,
                "vocab_size": 32064,
                "pad_token_id": 32001,
            },
            "image_token_index": 32000,
            "image_seq_length": 576,
            "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
        },
        7566.7,
    ),
    "xclip": ReferenceConfig(
        {
            "text_config": _CLIP_TEXT,
            "vision_config": {
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "image_size": 224,
                "patch_size": 32,
                "num_frames": 8,
                "mit_hidden_size": 512,
                "mit_intermediate_size": 2048,
                "mit_num_hidden_layers": 1,
                "mit_num_attention_heads": 8,
            },
            "projection_dim": 512,
            "prompt_layers": 2,
            "prompt_num_attention_heads": 8,
        },
        196.6,
    ),
}
