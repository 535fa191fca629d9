"""Autoencoders of diffusers: from pixels or sound to latents and back in one call.

Belongs here: values, those of published configurations as known from memory. Does not belong here: what works on latents
(`images`, `videos`), code.
"""

from __future__ import annotations

from hwbench_pipeline.catalog.diffusion.declaring import RECONSTRUCTION, DiffusersArchitecture, Form, noise

_DOWN, _UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
_DC_BLOCKS = ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3

AUTOENCODERS: tuple[DiffusersArchitecture, ...] = (
    DiffusersArchitecture(
        key="autoencoder_kl",
        class_name="AutoencoderKL",
        modalities=("image",),
        checkpoint="stabilityai/sd-vae-ft-mse",
        parameters_millions=83.653863,
        loss=RECONSTRUCTION,
        reference=Form(
            {
                "sample_size": 256,
                "block_out_channels": (128, 256, 512, 512),
                "down_block_types": (_DOWN,) * 4,
                "up_block_types": (_UP,) * 4,
                "layers_per_block": 2,
            },
            {"sample": noise(3, 256, 256)},
        ),
        tiny=Form(
            {
                "sample_size": 32,
                "block_out_channels": (16, 32),
                "down_block_types": (_DOWN,) * 2,
                "up_block_types": (_UP,) * 2,
                "norm_num_groups": 8,
            },
            {"sample": noise(3, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="autoencoder_tiny",
        class_name="AutoencoderTiny",
        modalities=("image",),
        checkpoint="madebyollin/taesd",
        parameters_millions=2.445063,
        loss=RECONSTRUCTION,
        calls_sdpa=False,
        reference=Form({}, {"sample": noise(3, 512, 512)}),
        tiny=Form(
            {
                "encoder_block_out_channels": (16, 16),
                "decoder_block_out_channels": (16, 16),
                "num_encoder_blocks": (1, 2),
                "num_decoder_blocks": (2, 1),
            },
            {"sample": noise(3, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="autoencoder_dc",
        class_name="AutoencoderDC",
        modalities=("image",),
        checkpoint="mit-han-lab/dc-ae-f32c32-sana-1.0-diffusers",
        parameters_millions=312,
        loss=RECONSTRUCTION,
        calls_sdpa=False,
        reference=Form(
            {
                "encoder_block_types": _DC_BLOCKS,
                "decoder_block_types": _DC_BLOCKS,
                "decoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
                "encoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
                "downsample_block_type": "conv",
                "upsample_block_type": "interpolate",
                "scaling_factor": 0.41407,
            },
            {"sample": noise(3, 512, 512)},
        ),
        tiny=Form(
            {
                "latent_channels": 4,
                "attention_head_dim": 8,
                "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
                "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
                "encoder_block_out_channels": (8, 16),
                "decoder_block_out_channels": (8, 16),
                "encoder_layers_per_block": (1, 1),
                "decoder_layers_per_block": (1, 1),
                "encoder_qkv_multiscales": ((), (5,)),
                "decoder_qkv_multiscales": ((), (5,)),
                "downsample_block_type": "conv",
                "upsample_block_type": "interpolate",
            },
            {"sample": noise(3, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="vq_model",
        class_name="VQModel",
        modalities=("image",),
        checkpoint="kandinsky-community/kandinsky-2-1/movq",
        loss=RECONSTRUCTION,
        reference=Form(
            {
                "block_out_channels": (128, 256, 256, 512),
                "down_block_types": (_DOWN, _DOWN, _DOWN, "AttnDownEncoderBlock2D"),
                "up_block_types": ("AttnUpDecoderBlock2D", _UP, _UP, _UP),
                "layers_per_block": 2,
                "latent_channels": 4,
                "num_vq_embeddings": 16384,
                "vq_embed_dim": 4,
                "norm_type": "spatial",
            },
            {"sample": noise(3, 256, 256)},
        ),
        tiny=Form(
            {
                "block_out_channels": (32, 64),
                "down_block_types": (_DOWN, "AttnDownEncoderBlock2D"),
                "up_block_types": ("AttnUpDecoderBlock2D", _UP),
                "latent_channels": 4,
                "num_vq_embeddings": 32,
                "vq_embed_dim": 4,
                "norm_type": "spatial",
            },
            {"sample": noise(3, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="autoencoder_kl_temporal_decoder",
        class_name="AutoencoderKLTemporalDecoder",
        modalities=("video",),
        checkpoint="stabilityai/stable-video-diffusion-img2vid-xt/vae",
        loss=RECONSTRUCTION,
        reference=Form(
            {
                "sample_size": 768,
                "block_out_channels": (128, 256, 512, 512),
                "down_block_types": (_DOWN,) * 4,
                "layers_per_block": 2,
            },
            {"sample": noise(3, 576, 1024)},
        ),
        tiny=Form(
            {"sample_size": 32, "block_out_channels": (32, 64), "down_block_types": (_DOWN,) * 2},
            {"sample": noise(3, 32, 32)},
        ),
    ),
    DiffusersArchitecture(
        key="autoencoder_kl_wan",
        class_name="AutoencoderKLWan",
        modalities=("video",),
        checkpoint="Wan-AI/Wan2.1-T2V-1.3B-Diffusers/vae",
        parameters_millions=126.892531,
        loss=RECONSTRUCTION,
        reference=Form({}, {"sample": noise(3, 17, 480, 832)}),
        tiny=Form(
            {
                "base_dim": 8,
                "z_dim": 4,
                "dim_mult": (1, 2),
                "num_res_blocks": 1,
                "temperal_downsample": (True,),
                "latents_mean": (0.0,) * 4,
                "latents_std": (1.0,) * 4,
            },
            {"sample": noise(3, 5, 16, 16)},
        ),
    ),
    DiffusersArchitecture(
        key="autoencoder_oobleck",
        class_name="AutoencoderOobleck",
        modalities=("audio",),
        checkpoint="stabilityai/stable-audio-open-1.0/vae",
        parameters_millions=156,
        loss=RECONSTRUCTION,
        calls_sdpa=False,
        reference=Form(
            {"downsampling_ratios": (2, 4, 4, 8, 8), "channel_multiples": (1, 2, 4, 8, 16)},
            {"sample": noise(2, 131072)},  # 64 latents: 3 s at 44.1 kHz
        ),
        tiny=Form(
            {
                "encoder_hidden_size": 8,
                "downsampling_ratios": (2, 4),
                "channel_multiples": (1, 2),
                "decoder_channels": 8,
                "decoder_input_channels": 4,
            },
            {"sample": noise(2, 256)},
        ),
    ),
)
