"""Architectures of diffusers that make video and sound.

Belongs here: values, those of published configurations as known from memory. Does not belong here: autoencoders
(`autoencoders`), still images (`images`), code.
"""

from __future__ import annotations

from hwbench_pipeline.catalog.diffusion.declaring import (
    DiffusersArchitecture,
    Form,
    below,
    noise,
    rotary,
    same,
    up_to,
)

VIDEOS: tuple[DiffusersArchitecture, ...] = (
    DiffusersArchitecture(
        key="unet_3d_condition",
        class_name="UNet3DConditionModel",
        modalities=("video",),
        checkpoint="ali-vilab/text-to-video-ms-1.7b/unet",
        reference=Form(
            {"sample_size": 32},
            {"sample": noise(4, 16, 32, 32), "timestep": below(1000), "encoder_hidden_states": noise(77, 1024)},
        ),
        tiny=Form(
            {
                "sample_size": 8,
                "block_out_channels": (32, 64),
                "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
                "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
                "layers_per_block": 1,
                "cross_attention_dim": 32,
                "attention_head_dim": 8,
            },
            {"sample": noise(4, 4, 8, 8), "timestep": below(1000), "encoder_hidden_states": noise(8, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="unet_motion",
        class_name="UNetMotionModel",
        modalities=("video",),
        checkpoint=None,
        note="made at run time of the U-Net of Stable Diffusion 1.5 and the motion adapter guoyww/animatediff-motion-adapter-v1-5-2",
        reference=Form(
            {"sample_size": 64, "cross_attention_dim": 768},
            {
                "sample": noise(4, 16, 64, 64),
                "timestep": below(1000),
                "encoder_hidden_states": noise(77, 768, frames=16),
            },
        ),
        tiny=Form(
            {
                "sample_size": 8,
                "block_out_channels": (32, 64),
                "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
                "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
                "layers_per_block": 1,
                "norm_num_groups": 32,  # its temporal blocks have 32 whatever is said here
                "num_attention_heads": 4,
                "motion_num_attention_heads": 4,
                "motion_max_seq_length": 4,
                "cross_attention_dim": 32,
            },
            {"sample": noise(4, 4, 8, 8), "timestep": below(1000), "encoder_hidden_states": noise(8, 32, frames=4)},
        ),
    ),
    DiffusersArchitecture(
        key="unet_spatio_temporal_condition",
        class_name="UNetSpatioTemporalConditionModel",
        modalities=("video",),
        checkpoint="stabilityai/stable-video-diffusion-img2vid-xt/unet",
        parameters_millions=1524.623082,
        reference=Form(
            {"sample_size": 96},
            {
                "sample": noise(25, 8, 72, 128),
                "timestep": below(1000),
                "encoder_hidden_states": noise(1, 1024),
                "added_time_ids": same((6.0, 127.0, 0.02)),  # frames per second, motion, noise added
            },
        ),
        tiny=Form(
            {
                "sample_size": 8,
                "block_out_channels": (32, 64),
                "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
                "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
                "layers_per_block": 1,
                "num_attention_heads": (2, 4),
                "cross_attention_dim": 32,
                "addition_time_embed_dim": 8,
                "projection_class_embeddings_input_dim": 24,
                "num_frames": 4,
            },
            {
                "sample": noise(4, 8, 8, 8),
                "timestep": below(1000),
                "encoder_hidden_states": noise(1, 32),
                "added_time_ids": same((6.0, 127.0, 0.02)),
            },
        ),
    ),
    DiffusersArchitecture(
        key="cogvideox_transformer_3d",
        class_name="CogVideoXTransformer3DModel",
        modalities=("video",),
        checkpoint="zai-org/CogVideoX-2b/transformer",
        reference=Form(
            {},
            {
                "hidden_states": noise(13, 16, 60, 90),
                "encoder_hidden_states": noise(226, 4096),
                "timestep": below(1000),
            },
        ),
        tiny=Form(
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "in_channels": 4,
                "out_channels": 4,
                "time_embed_dim": 16,
                "text_embed_dim": 24,
                "num_layers": 2,
                "sample_width": 8,
                "sample_height": 8,
                "sample_frames": 5,
                "max_text_seq_length": 8,
            },
            {
                "hidden_states": noise(2, 4, 8, 8),
                "encoder_hidden_states": noise(8, 24),
                "timestep": below(1000),
            },
        ),
    ),
    DiffusersArchitecture(
        key="ltx_video_transformer_3d",
        class_name="LTXVideoTransformer3DModel",
        modalities=("video",),
        checkpoint="Lightricks/LTX-Video/transformer",
        reference=Form(
            {},
            {
                "hidden_states": noise(7392, 128),  # 161 frames of 512×704 pixels
                "encoder_hidden_states": noise(128, 4096),
                "timestep": below(1000),
                "encoder_attention_mask": same(1, 128),
            },
            {"num_frames": 21, "height": 16, "width": 22, "rope_interpolation_scale": (8 / 25, 32, 32)},
        ),
        tiny=Form(
            {
                "in_channels": 8,
                "out_channels": 8,
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "cross_attention_dim": 32,
                "num_layers": 2,
                "caption_channels": 24,
            },
            {
                "hidden_states": noise(32, 8),
                "encoder_hidden_states": noise(8, 24),
                "timestep": below(1000),
                "encoder_attention_mask": same(1, 8),
            },
            {"num_frames": 2, "height": 4, "width": 4, "rope_interpolation_scale": (8 / 25, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="wan_transformer_3d",
        class_name="WanTransformer3DModel",
        modalities=("video",),
        checkpoint="Wan-AI/Wan2.1-T2V-1.3B-Diffusers/transformer",
        parameters_millions=1418.9968,
        reference=Form(
            {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
            {
                "hidden_states": noise(16, 21, 60, 104),
                "timestep": below(1000),
                "encoder_hidden_states": noise(512, 4096),
            },
        ),
        tiny=Form(
            {
                "num_attention_heads": 2,
                "attention_head_dim": 12,
                "in_channels": 4,
                "out_channels": 4,
                "text_dim": 24,
                "freq_dim": 16,
                "ffn_dim": 32,
                "num_layers": 2,
                "rope_max_seq_len": 32,
            },
            {
                "hidden_states": noise(4, 2, 8, 8),
                "timestep": below(1000),
                "encoder_hidden_states": noise(8, 24),
            },
        ),
    ),
    DiffusersArchitecture(
        key="mochi_transformer_3d",
        class_name="MochiTransformer3DModel",
        modalities=("video",),
        checkpoint="genmo/mochi-1-preview/transformer",
        parameters_millions=10000,
        reference=Form(
            {},
            {
                "hidden_states": noise(12, 4, 60, 106),  # 19 frames of 480×848 pixels
                "encoder_hidden_states": noise(256, 4096),
                "timestep": below(1000),
                "encoder_attention_mask": same(1, 256),
            },
        ),
        tiny=Form(
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "num_layers": 2,
                "pooled_projection_dim": 16,
                "in_channels": 4,
                "text_embed_dim": 24,
                "time_embed_dim": 16,
                "max_sequence_length": 8,
            },
            {
                "hidden_states": noise(4, 2, 8, 8),
                "encoder_hidden_states": noise(8, 24),
                "timestep": below(1000),
                "encoder_attention_mask": same(1, 8),
            },
        ),
    ),
    DiffusersArchitecture(
        key="latte_transformer_3d",
        class_name="LatteTransformer3DModel",
        modalities=("video",),
        checkpoint="maxin-cn/Latte-1/transformer",
        reference=Form(
            {
                "attention_head_dim": 72,
                "in_channels": 4,
                "out_channels": 8,
                "num_layers": 28,
                "cross_attention_dim": 1152,
                "attention_bias": True,
                "patch_size": 2,
                "activation_fn": "gelu-approximate",
                "num_embeds_ada_norm": 1000,
                "norm_type": "ada_norm_single",
                "norm_elementwise_affine": False,
                "norm_eps": 1e-6,
                "caption_channels": 4096,
            },
            {
                "hidden_states": noise(4, 16, 64, 64),
                "timestep": below(1000),
                "encoder_hidden_states": noise(120, 4096),
            },
        ),
        tiny=Form(
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "in_channels": 4,
                "out_channels": 8,
                "num_layers": 2,
                "cross_attention_dim": 32,
                "attention_bias": True,
                "sample_size": 8,
                "patch_size": 2,
                "activation_fn": "gelu-approximate",
                "num_embeds_ada_norm": 1000,
                "norm_type": "ada_norm_single",
                "norm_elementwise_affine": False,
                "norm_eps": 1e-6,
                "caption_channels": 24,
                "video_length": 4,
            },
            {
                "hidden_states": noise(4, 4, 8, 8),
                "timestep": below(1000),
                "encoder_hidden_states": noise(8, 24),
            },
        ),
    ),
    DiffusersArchitecture(
        key="hunyuan_video_transformer_3d",
        class_name="HunyuanVideoTransformer3DModel",
        modalities=("video",),
        checkpoint="hunyuanvideo-community/HunyuanVideo/transformer",
        reference=Form(
            {},
            {
                "hidden_states": noise(16, 16, 40, 64),  # 61 frames of 320×512 pixels
                "timestep": below(1000),
                "encoder_hidden_states": noise(256, 4096),
                "encoder_attention_mask": same(1, 256),
                "pooled_projections": noise(768),
                "guidance": same(6000.0),
            },
        ),
        tiny=Form(
            {
                "in_channels": 4,
                "out_channels": 4,
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "num_layers": 1,
                "num_single_layers": 1,
                "num_refiner_layers": 1,
                "text_embed_dim": 24,
                "pooled_projection_dim": 16,
                "rope_axes_dim": (4, 6, 6),
            },
            {
                "hidden_states": noise(4, 2, 8, 8),
                "timestep": below(1000),
                "encoder_hidden_states": noise(8, 24),
                "encoder_attention_mask": same(1, 8),
                "pooled_projections": noise(16),
                "guidance": same(6000.0),
            },
        ),
    ),
    DiffusersArchitecture(
        key="unet_1d",
        class_name="UNet1DModel",
        modalities=("audio",),
        checkpoint=None,
        note="changed: extra_in_channels 64, as wide as its time embedding, without which it cannot be called",
        calls_sdpa=False,
        reference=Form(
            {"extra_in_channels": 64},
            {"sample": noise(2, 65536), "timestep": up_to(1)},
        ),
        tiny=Form(
            {"extra_in_channels": 64, "sample_size": 256, "block_out_channels": (32, 32, 64)},
            {"sample": noise(2, 256), "timestep": up_to(1)},
        ),
    ),
    DiffusersArchitecture(
        key="stable_audio_dit",
        class_name="StableAudioDiTModel",
        modalities=("audio",),
        checkpoint="stabilityai/stable-audio-open-1.0/transformer",
        parameters_millions=1057,
        groups={"rotary_embedding": ("rotary_cosine", "rotary_sine")},
        reference=Form(
            {},
            {
                "hidden_states": noise(64, 1024),
                "timestep": up_to(1),
                "encoder_hidden_states": noise(130, 768),  # 128 tokens of T5, beginning and length in seconds
                "global_hidden_states": noise(1, 1536),
                "rotary_cosine": rotary("cosine", 1025, 32),
                "rotary_sine": rotary("sine", 1025, 32),
            },
        ),
        tiny=Form(
            {
                "sample_size": 16,
                "in_channels": 8,
                "out_channels": 8,
                "num_layers": 2,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "num_key_value_attention_heads": 1,
                "cross_attention_dim": 16,
                "time_proj_dim": 16,
                "global_states_input_dim": 24,
                "cross_attention_input_dim": 16,
            },
            {
                "hidden_states": noise(8, 16),
                "timestep": up_to(1),
                "encoder_hidden_states": noise(8, 16),
                "global_hidden_states": noise(1, 24),
                "rotary_cosine": rotary("cosine", 17, 8),
                "rotary_sine": rotary("sine", 17, 8),
            },
        ),
    ),
)
