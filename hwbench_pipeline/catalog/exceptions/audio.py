"""Exceptions of architectures that take or make sound. Data only, each with its reason."""

from __future__ import annotations

import math
from typing import Any

import torch

from hwbench_pipeline.catalog.exceptions.declaring import NARROW_MIMI, Exceptional, Inputs, MakeInputs

SAMPLES_HEARD = 16_000
"""Samples of a sound that a model goes on from."""
DECODED_STEPS = 8
"""Steps of codes that a decoder of several codebooks gets."""


def _codes(n_codes: int, n_books: int, batch: int, generator: torch.Generator) -> torch.Tensor:
    """Codes of a sound with one row for every item and codebook."""
    return torch.randint(n_codes, (batch * n_books, DECODED_STEPS), generator=generator)


def _text_and_sound(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """What the text encoder reads, and the sound whose codes the decoder goes on from."""
    kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    channels, samples = config.audio_encoder.audio_channels, SAMPLES_HEARD
    return {**kept, "input_values": torch.randn(batch, channels, samples, generator=generator)}


def _chroma_and_codes(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """What the text encoder reads, the melody's chroma with one note in every frame, and codes that go before."""
    notes = torch.randint(config.num_chroma, (batch, config.chroma_length), generator=generator)
    melody = torch.nn.functional.one_hot(notes, config.num_chroma).float()
    kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    codes = _codes(config.decoder.vocab_size, config.decoder.num_codebooks, batch, generator)
    return {**kept, "input_features": melody, "decoder_input_ids": codes}


def _dialogue(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Bytes of a dialogue, and a code for every channel of the decoder at every step."""
    decoder = config.decoder_config
    shape = (batch, DECODED_STEPS, decoder.num_channels)
    return {**inputs, "decoder_input_ids": torch.randint(decoder.vocab_size - 4, shape, generator=generator)}


def _spectrogram(frames: int, width: int) -> MakeInputs:
    """Spectrograms of that size; a mask gets as many frames."""

    def make(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
        masks = [
            name
            for name in inputs
            if name.endswith("mask") and not ("input_ids" in inputs and name == "attention_mask")
        ]
        made = {name: torch.ones(batch, frames, dtype=torch.long) for name in masks}
        return {**inputs, **made, "input_features": torch.randn(batch, frames, width, generator=generator)}

    return make


def _mel_of_sound(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """The sound and its spectrogram, 320 samples to a frame."""
    frames, width = 50, config.semantic_model_config.feature_projection_input_dim
    return {
        "input_values": torch.randn(batch, 1, 320 * frames, generator=generator),
        "input_features": torch.randn(batch, frames, width, generator=generator),
    }


def _conditioned(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Text, and the embedding of the delay that its layers are scaled by."""
    return {**inputs, "t_cond": torch.randn(1, config.hidden_size, generator=generator)}


def _one_channel(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """One spectrogram of a sound instead of four of its parts."""
    kept = {name: value for name, value in inputs.items() if name != "is_longer"}
    return {**kept, "input_features": inputs["input_features"][:, :1].contiguous()}


def _text_with_sound(text: torch.Tensor, token: int, count: int) -> Inputs:
    """Text with `count` places for a sound after its first token, and no others."""
    text = text[text != token].view(text.shape[0], -1)
    heard = torch.full((text.shape[0], count), token)
    ids = torch.cat([text[:, :1], heard, text[:, 1:]], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _windows_of_sound(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A spectrogram, and the places that the projector makes of its windows; the mask is one of these places."""
    frames = 128
    count = math.ceil(frames / config.window_size) * (config.window_size // config.downsample_rate)
    return {
        **_text_with_sound(inputs["input_ids"], config.audio_token_index, count),
        "input_features": torch.randn(batch, frames, config.encoder_config.input_dim, generator=generator),
        "input_features_mask": torch.ones(batch, count, dtype=torch.bool),
    }


def _quartered_sound(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A spectrogram, and a place for each four of its frames that its mask tells to be sound."""
    frames = int(inputs["feature_attention_mask"][0].sum())
    count = ((frames - 1) // 2 + 1 - 2) // 2 + 1
    return {**inputs, **_text_with_sound(inputs["input_ids"], config.audio_token_index, count)}


def _spoken_context(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A sound per item, a token for each of its frames, and where it ends."""
    sound, text = inputs["input_values"], inputs["input_ids"]
    codec = config.codec_config
    frames = math.ceil(sound.shape[-1] * codec.frame_rate / codec.sampling_rate)
    end = torch.full((batch, 1), config.audio_eos_token_id)
    text = torch.cat([text[:, :1], end, text[:, 1:]], dim=1)
    return {
        **_text_with_sound(text, config.audio_token_id, frames),
        "input_values": sound,
        "input_values_cutoffs": torch.full((batch, 1), sound.shape[-1]),
    }


def _sound_for_text(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Embedded frames of a sound in the place of text, which it excludes."""
    return {
        "input_features": torch.randn(batch, length, config.d_model, generator=generator),
        "decoder_input_ids": inputs["decoder_input_ids"],
    }


def _channels_first(name: str, width: str, steps: int) -> MakeInputs:
    """An argument of that name: `steps` steps of as many channels as the field `width` says."""

    def make(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
        return {name: torch.randn(batch, getattr(config, width), steps, generator=generator)}

    return make


def _joined_by_eight(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """A spectrogram of 128 frames, and a token for each eight of them, which its embedding is added to."""
    sound = torch.randn(batch, config.audio_config.num_mel_bins, 128, generator=generator)
    n_tokens = sound.shape[-1] // config.audio_length_per_tok
    ids = inputs["input_ids"].repeat(1, n_tokens)[:, :n_tokens]
    return {"input_features": sound, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


_SMALL_TOKENIZER = {"num_filters": 4, "depths": [1, 1, 1, 1, 1, 1, 2]}
_TOKENIZER_DOUBLES = "the channels of its tokenizer double at every stage to 2048, which no field of a width says"
_MEL_OF_SOUND = (
    "it takes a sound and its spectrogram, made by a feature extractor that needs torchaudio, and the 48 channels of "
    "its first stage are too few to shrink everything by"
)
_GRANITE_PROJECTOR = {
    "model_type": "blip_2_qformer",
    "encoder_hidden_size": 1024,
    "hidden_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_GRANITE_DISAGREES = (
    "the default projector reads 1408 channels and the default encoder makes 1024: the projector of "
    "ibm-granite/granite-speech-3.3-2b; the output of its encoder's CTC head counts characters and is no width"
)

_ENCODEC_32KHZ = {
    "model_type": "encodec",
    "sampling_rate": 32_000,
    "audio_channels": 1,
    "normalize": False,
    "chunk_length_s": None,
    "overlap": None,
    "target_bandwidths": [2.2],
    "upsampling_ratios": [8, 5, 4, 4],
    "num_filters": 64,
    "codebook_size": 2048,
    "codebook_dim": 128,
    "hidden_size": 128,
    "use_causal_conv": False,
}
_NARROW_DAC = {"encoder_hidden_size": 16, "decoder_hidden_size": 256}
_WIDE_DAC = "the channels of its DAC double with every stage, which takes more than a second to build"
_NARROW_CONFORMER = {"encoder_linear_units": 384, "decoder_linear_units": 384}

EXCEPTIONS: dict[str, Exceptional] = {
    "clap": Exceptional(
        why="its default model takes one channel and its default feature extractor makes the four of fused "
        "checkpoints; the width of its last stage follows from that of its patches and may not shrink alone",
        tiny={"audio_config": {"hidden_size": 768}},
        inputs=_one_channel,
    ),
    "clvp": Exceptional(
        why="the default speech encoder knows 256 tokens and reads those of a decoder that writes 8194; that of "
        "susnato/clvp_dev knows 8192",
        reference={"speech_config": {"vocab_size": 8192}},
    ),
    "csm": Exceptional(
        why="the sound heard before stands in the text by a token per frame, and where it ends is told; its codec "
        "takes seconds for a sound unless it is narrow, as do the embeddings of its 32 codebooks",
        tiny={
            "codec_config": NARROW_MIMI,
            "hidden_size": 256,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "depth_decoder_config": {"backbone_hidden_size": 256, "intermediate_size": 512},
        },
        inputs=_spoken_context,
    ),
    "dac": Exceptional(
        why="its channels double with every stage, which the rules leave as they are; it takes seconds to build unless "
        "it begins with few",
        tiny=_NARROW_DAC,
    ),
    "dia": Exceptional(why="its decoder takes a code for every channel at every step", inputs=_dialogue),
    "fastspeech2_conformer": Exceptional(
        why="convolutions three steps long between widths of 384 and 1536 take a second to build",
        tiny=_NARROW_CONFORMER,
    ),
    "fastspeech2_conformer_with_hifigan": Exceptional(
        why="convolutions three steps long between widths of 384 and 1536, and the vocoder's 512 channels, take more than a "
        "second to build",
        tiny={"model_config": _NARROW_CONFORMER, "vocoder_config": {"upsample_initial_channel": 128}},
    ),
    "granite_speech": Exceptional(
        why=_GRANITE_DISAGREES,
        kept=frozenset({"output_dim"}),
        reference={"projector_config": _GRANITE_PROJECTOR},
        inputs=_windows_of_sound,
    ),
    "granite_speech_plus": Exceptional(
        why=_GRANITE_DISAGREES,
        kept=frozenset({"output_dim"}),
        reference={"projector_config": _GRANITE_PROJECTOR},
        inputs=_windows_of_sound,
    ),
    "granite_speech5_ctc": Exceptional(
        why="four frames of 80 channels are stacked before the model, by a feature extractor that needs torchaudio",
        inputs=_spectrogram(64, 320),
    ),
    "mimi_decoder": Exceptional(
        why="it takes latents and no sound",
        inputs=_channels_first("latents", "hidden_size", 25),
    ),
    "moonshine_streaming": Exceptional(
        why="the decoder reads a number of key and value heads that its default configuration lacks: as many as heads",
        reference={"num_key_value_heads": 8},
    ),
    "muse_spark_audio": Exceptional(
        why="the widths of its stages stand in a list, and those of the default take seconds to build",
        tiny={"hidden_sizes": (64, 128, 256, 512), "out_hidden_size": 1024},
    ),
    "musicgen": Exceptional(
        why="the default codec makes fewer codebooks than the decoder reads: facebook/encodec_32khz, as in "
        "facebook/musicgen-small; the decoder knows as many codes as the codec writes",
        reference={"audio_encoder": _ENCODEC_32KHZ},
        tiny={
            "audio_encoder": {"num_filters": 16},
            "decoder": {"vocab_size": 2048, "pad_token_id": 2048, "bos_token_id": 2048},
        },
        inputs=_text_and_sound,
    ),
    "musicgen_melody": Exceptional(
        why="its decoder takes a row of codes for every codebook, and the melody as chroma", inputs=_chroma_and_codes
    ),
    "nemo_speechlm": Exceptional(
        why="its processor pads a sound to a multiple of eight frames, its feature extractor does not",
        inputs=_spectrogram(104, 128),
    ),
    "neucodec": Exceptional(
        why=_MEL_OF_SOUND,
        kept=frozenset({"encoder_hidden_size"}),
        tiny={"encoder_hidden_size": 8},
        inputs=_mel_of_sound,
    ),
    "pe_audio": Exceptional(why=_WIDE_DAC, tiny={"audio_config": {"dac_config": _NARROW_DAC}}),
    "pe_audio_encoder": Exceptional(why=_WIDE_DAC, tiny={"dac_config": _NARROW_DAC}),
    "pocket_tts_audio_tokenizer_decoder": Exceptional(
        why="it takes latents and no sound", inputs=_channels_first("latents", "hidden_size", 25)
    ),
    "pop2piano": Exceptional(
        why="it takes a sound or text, never both, and the sound as embeddings made by what needs essentia",
        inputs=_sound_for_text,
    ),
    "vibevoice": Exceptional(
        why=_TOKENIZER_DOUBLES, tiny={"audio_config": _SMALL_TOKENIZER, "semantic_model_config": _SMALL_TOKENIZER}
    ),
    "vibevoice_acoustic_tokenizer": Exceptional(why=_TOKENIZER_DOUBLES, tiny=_SMALL_TOKENIZER),
    "vibevoice_acoustic_tokenizer_decoder": Exceptional(
        why=_TOKENIZER_DOUBLES + "; it takes latents with the channels first",
        tiny=_SMALL_TOKENIZER,
        inputs=_channels_first("hidden_states", "hidden_size", 8),
    ),
    "vibevoice_acoustic_tokenizer_encoder": Exceptional(
        why=_TOKENIZER_DOUBLES + "; it takes the sound under the name of hidden states",
        tiny=_SMALL_TOKENIZER,
        inputs=_channels_first("hidden_states", "channels", 25_600),
    ),
    "vibevoice_asr": Exceptional(
        why=_TOKENIZER_DOUBLES,
        tiny={
            "acoustic_tokenizer_encoder_config": _SMALL_TOKENIZER,
            "semantic_tokenizer_encoder_config": _SMALL_TOKENIZER,
        },
    ),
    "qwen2_audio": Exceptional(
        why="without a place for every frame it merges sound and text in an older way, which raises no telling error",
        inputs=_quartered_sound,
    ),
    "voxtral": Exceptional(
        why="the default leaves open which token stands for sound; that of mistralai/Voxtral-Mini-3B-2507",
        reference={"audio_token_id": 24},
    ),
    "voxtral_realtime": Exceptional(
        why="frames are joined by eight after the feature extractor, which does not pad to that",
        inputs=_joined_by_eight,
    ),
    "voxtral_realtime_text": Exceptional(
        why="transformers names its class in a mapping and does not export it, and its layers are scaled by a delay",
        model_class="transformers.models.voxtral_realtime.modeling_voxtral_realtime:VoxtralRealtimeTextModel",
        inputs=_conditioned,
    ),
    "xcodec2": Exceptional(
        why=_MEL_OF_SOUND + "; weights as small as the default draws them leave every code, and so the sound, zero",
        kept=frozenset({"encoder_hidden_size"}),
        tiny={"encoder_hidden_size": 8, "initializer_range": 0.2},
        inputs=_mel_of_sound,
    ),
}
