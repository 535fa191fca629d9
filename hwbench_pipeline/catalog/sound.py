"""Models that hear, from the waveform on: the feature extraction that comes before them, as part of the model.

Belongs here: which models these are, a made-up recording, and each kind of feature extraction in torch operations that every
runtime's graph can hold, so that it is timed where the model is. Does not belong here: inputs of the model alone (`inputs`).

The numbers of an extraction (window, hop, filters) are those of transformers' own extractor, which is asked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch.nn.functional import conv1d, pad

from hwbench_pipeline.catalog.entries import catalog_model

SOUND = "sound"
"""The name of the waveform among the inputs: items × samples, one channel, between -1 and 1."""


class NoSoundError(ValueError):
    """A model that takes no sound, or takes it in a way that is not known here."""


class _Extraction(Protocol):
    """`heard_s` is how many seconds of a clip the model takes in, None for all of it."""

    sampling_rate_hz: int
    input_name: str
    heard_s: float | None

    def __call__(self, sound: torch.Tensor) -> torch.Tensor: ...


class _Waveform(torch.nn.Module):
    """Mean 0 and variance 1 per item, as `Wav2Vec2FeatureExtractor` gives a waveform to its models."""

    input_name = "input_values"
    heard_s = None

    def __init__(self, config: Any) -> None:  # noqa: ARG002 - as the others
        super().__init__()
        from transformers import Wav2Vec2FeatureExtractor

        extractor: Any = Wav2Vec2FeatureExtractor()  # type: ignore[no-untyped-call]
        self.sampling_rate_hz: int = extractor.sampling_rate

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        centred = sound - sound.mean(dim=1, keepdim=True)
        return centred * (centred.square().mean(dim=1, keepdim=True) + 1e-7).rsqrt()


class _Spectrogram(torch.nn.Module):
    """Power of the frames of a sound by mel filter: items × mels × frames.

    The Fourier transform is a convolution with windowed waves, which all runtimes have; frames are centred, and the sound is
    mirrored at its ends.
    """

    def __init__(self, *, n_fft: int, hop: int, filters: Any) -> None:
        super().__init__()
        self._n_fft, self._hop = n_fft, hop
        angle = (
            2
            * torch.pi
            * torch.outer(torch.arange(n_fft // 2 + 1), torch.arange(n_fft)).remainder(n_fft).double()
            / n_fft
        )
        window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64)
        waves = torch.cat([angle.cos() * window, angle.sin() * window]).float().unsqueeze(1)
        self.register_buffer("waves", waves, persistent=False)
        self.register_buffer("filters", torch.as_tensor(filters).float().T.contiguous(), persistent=False)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        mirrored = pad(sound.unsqueeze(1), (self._n_fft // 2, self._n_fft // 2), mode="reflect")
        real, imaginary = conv1d(mirrored, cast(torch.Tensor, self.waves), stride=self._hop).chunk(2, dim=1)
        return torch.matmul(cast(torch.Tensor, self.filters), real.square() + imaginary.square())


class _WhisperFeatures(torch.nn.Module):
    """Log-mel spectrogram of as much sound as the encoder has positions for, padded with silence, as
    `WhisperFeatureExtractor` makes it."""

    input_name = "input_features"

    def __init__(self, config: Any) -> None:
        super().__init__()
        from transformers import WhisperFeatureExtractor

        if getattr(config, "num_mel_bins", None) is None:
            raise NoSoundError(
                f"{config.model_type} hears beside text, with placeholders for its sound, which is not known here"
            )
        extractor: Any = WhisperFeatureExtractor(feature_size=config.num_mel_bins)  # type: ignore[no-untyped-call]
        self.sampling_rate_hz: int = extractor.sampling_rate
        # the encoder's second convolution halves the frames; real models have positions for 30 s
        self._n_samples: int = 2 * config.max_source_positions * extractor.hop_length
        self.heard_s = self._n_samples / self.sampling_rate_hz
        self._power = _Spectrogram(n_fft=extractor.n_fft, hop=extractor.hop_length, filters=extractor.mel_filters)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        heard = sound[:, : self._n_samples]
        whole = pad(heard, (0, self._n_samples - heard.shape[1]))
        logarithm = self._power(whole)[:, :, :-1].clamp(min=1e-10).log10()
        floor = logarithm.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(logarithm, floor) + 4.0) / 4.0


class _ClapFeatures(torch.nn.Module):
    """Log-mel spectrogram in decibels, as `ClapFeatureExtractor` makes it for models without fusion.

    A shorter clip is repeated as often as it fits whole and then padded with silence. Of a longer one the extractor takes a
    piece at random: here the first.
    """

    input_name = "input_features"

    def __init__(self, config: Any) -> None:
        super().__init__()
        from transformers import ClapFeatureExtractor

        audio = config.audio_config
        if audio.enable_fusion:
            raise NoSoundError("a CLAP with fusion takes four views of a sound, which this version does not make")
        extractor: Any = ClapFeatureExtractor(feature_size=audio.num_mel_bins)
        self.sampling_rate_hz: int = extractor.sampling_rate
        frames = audio.spec_size * (audio.spec_size // audio.num_mel_bins)
        self._n_samples = min(extractor.nb_max_samples, (frames - 1) * extractor.hop_length)
        self.heard_s = self._n_samples / self.sampling_rate_hz
        self._power = _Spectrogram(
            n_fft=extractor.fft_window_size, hop=extractor.hop_length, filters=extractor.mel_filters_slaney
        )

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        heard = sound[:, : self._n_samples]
        repeated = heard.repeat(1, self._n_samples // heard.shape[1])
        whole = pad(repeated, (0, self._n_samples - repeated.shape[1]))
        decibels: torch.Tensor = 10.0 * self._power(whole).clamp(min=1e-10).log10()
        return decibels.transpose(1, 2).unsqueeze(1)


_EXTRACTIONS: Mapping[str, Callable[[Any], Any]] = {
    "Wav2Vec2FeatureExtractor": _Waveform,
    "WhisperFeatureExtractor": _WhisperFeatures,
    "ClapFeatureExtractor": _ClapFeatures,
}
"""By transformers' class that does the same in numpy."""


def _extractor_name(key: str) -> str | None:
    from transformers.models.auto import feature_extraction_auto

    names: Mapping[str, str] = vars(feature_extraction_auto)["FEATURE_EXTRACTOR_MAPPING_NAMES"]
    return names.get(catalog_model(key).architecture)


class FromSound(torch.nn.Module):
    """A model behind its feature extraction: called like the model, with `SOUND` in place of the features.

    Raises `NoSoundError` for a model that takes no sound, or in a way that is not known here.
    """

    def __init__(self, key: str, model: torch.nn.Module) -> None:
        super().__init__()
        self._key = key
        name = _extractor_name(key)
        if name is None or name not in _EXTRACTIONS:
            by = f"its {name} is not one of" if name else "known are the models of"
            raise NoSoundError(
                f"{key} cannot be run from sound: {by} {', '.join(_EXTRACTIONS)}. Fix: --scenario forward"
            )
        self.model = model
        self.extraction: _Extraction = _EXTRACTIONS[name](model.config)
        self._extractor = f"{name}, in torch"

    @property
    def config(self) -> Any:
        """The model's own configuration."""
        return self.model.config

    @property
    def options(self) -> dict[str, Any]:
        """What a row says of it: the model's class, what extracts the features, and the seconds heard where a clip is cut."""
        heard = {} if self.extraction.heard_s is None else {"heard_s": self.extraction.heard_s}
        return {"class": type(self.model).__name__, "feature_extraction": self._extractor, **heard}

    def can_generate(self) -> bool:
        """No: one call is a forward pass."""
        return False

    def inputs(self, given: Mapping[str, torch.Tensor], seconds: float, *, seed: int = 0) -> dict[str, torch.Tensor]:
        """The inputs of a call on a clip of so many seconds, from those of a call of the model alone.

        Raises `NoSoundError` where the model takes more of the sound than its features.
        """
        name = self.extraction.input_name
        others = {other: tensor for other, tensor in given.items() if other != name}
        of_text = {"input_ids", *(("attention_mask",) if "input_ids" in given else ())}
        is_bound = {other for other in others if other not in of_text and not other.startswith("decoder_")}
        # a mask over a waveform's samples is as long as the sound, and all ones
        masks = {other for other in is_bound if other == "attention_mask" and self.extraction.heard_s is None}
        if name not in given or is_bound - masks:
            raise NoSoundError(
                f"{self._key} cannot be run from sound: it takes {', '.join(given)}, of which not {name} alone follows from the sound. Fix: --scenario forward"
            )
        batch_size = given[name].shape[0]
        sounds = [rising_tone(seconds, self.extraction.sampling_rate_hz, seed + item) for item in range(batch_size)]
        sound = torch.stack(sounds)
        return {SOUND: sound, **others, **{other: torch.ones_like(sound, dtype=torch.int64) for other in masks}}

    def forward(self, sound: torch.Tensor, **others: Any) -> Any:
        """The model's output for a sound."""
        return self.model(**{self.extraction.input_name: self.extraction(sound)}, **others)


def rising_tone(seconds: float, sampling_rate_hz: int, seed: int = 0) -> torch.Tensor:
    """A made-up recording: a rising tone with noise under it, between -1 and 1; another pitch and noise by `seed`."""
    time = torch.arange(round(seconds * sampling_rate_hz), dtype=torch.float64) / sampling_rate_hz
    generator = torch.Generator().manual_seed(seed)
    first_hz = 200 + 50 * float(torch.randint(8, (1,), generator=generator))
    noise = torch.randn(time.numel(), generator=generator).clamp(-4, 4)
    rising = torch.sin(2 * torch.pi * (first_hz * time + 3000 * time.square() / (2 * seconds)))
    return (0.6 * rising + 0.05 * noise).float()
