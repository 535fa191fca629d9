"""Models run from the waveform on: the extraction in torch is transformers' own in numpy, and only what hears is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.catalog.sound import SOUND, FromSound, NoSoundError, rising_tone


def _extractor(key: str, config: Any) -> Any:
    if key == "whisper":
        return WhisperFeatureExtractor(feature_size=config.num_mel_bins)
    if key == "clap":
        return ClapFeatureExtractor(
            feature_size=config.audio_config.num_mel_bins, truncation="rand_trunc", padding="repeatpad"
        )
    return Wav2Vec2FeatureExtractor()


def _features(key: str, size: str, seconds: float) -> tuple[np.ndarray, np.ndarray, Any]:
    """What ours and transformers' own give for the same sound, items × …, and the model behind its extraction."""
    model = build_model(key, size, seed=0, device="meta" if size == "reference" else "cpu")
    hearing = FromSound(key, model)
    rate = hearing.extraction.sampling_rate_hz
    sound = torch.stack([rising_tone(seconds, rate, seed) for seed in range(2)])
    theirs = _extractor(key, hearing.config)([*sound.numpy()], sampling_rate=rate, return_tensors="np")
    return hearing.extraction(sound).numpy(), np.asarray(theirs[hearing.extraction.input_name]), hearing


@pytest.mark.parametrize("seconds", [1.0, 5.0, 15.0, 30.0])
@pytest.mark.parametrize("key", ["whisper", "wav2vec2"])
def test_features_are_those_of_transformers(key: str, seconds: float) -> None:
    ours, theirs, _ = _features(key, "reference", seconds)
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) < 2e-3 * np.max(np.abs(theirs))


@pytest.mark.parametrize("seconds", [1.0, 3.0, 4.7, 10.0])
def test_a_short_clip_is_repeated_for_clap_as_its_extractor_does(seconds: float) -> None:
    ours, theirs, _ = _features("clap", "reference", seconds)
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) < 2e-3 * np.max(np.abs(theirs))


def test_of_a_clip_longer_than_clap_hears_the_first_seconds_are_taken_and_said() -> None:
    hearing = FromSound("clap", build_model("clap", "reference", seed=0, device="meta"))
    sound = rising_tone(15.0, 48_000).unsqueeze(0)
    assert torch.equal(hearing.extraction(sound), hearing.extraction(sound[:, :480_000]))
    assert hearing.options["heard_s"] == 10.0
    assert hearing.options["class"] == "ClapModel"


def test_a_wrong_window_would_be_found_out() -> None:
    """The comparison above is not blind: the same features one sample late are further off than it allows."""
    model = build_model("whisper", "reference", seed=0, device="meta")
    hearing = FromSound("whisper", model)
    sound = rising_tone(5.0, 16_000).unsqueeze(0)
    late = torch.cat([sound[:, 1:], sound[:, :1]], dim=1)
    ours, theirs = hearing.extraction(late).numpy(), hearing.extraction(sound).numpy()
    assert np.max(np.abs(ours - theirs)) > 2e-3 * np.max(np.abs(theirs))


@pytest.mark.parametrize("key", ["whisper", "wav2vec2", "clap", "hubert", "wavlm"])
def test_a_tiny_model_answers_to_a_sound(key: str) -> None:
    model = build_model(key, "tiny", seed=0, use_cache=False)
    hearing = FromSound(key, model).eval()
    given = make_inputs(key, model.config, batch_size=2)
    outputs = []
    for seed in (0, 7):
        inputs = hearing.inputs(given, 0.8, seed=seed)
        assert inputs[SOUND].shape == (2, round(0.8 * hearing.extraction.sampling_rate_hz))
        assert set(inputs) - {SOUND} == set(given) - {hearing.extraction.input_name}
        with torch.no_grad():
            outputs.append(next(iter(primary_output(hearing(**inputs)).values())))
    assert (outputs[0] - outputs[1]).abs().max() > 0.01 * outputs[0].abs().max()


def test_what_does_not_hear_says_so() -> None:
    with pytest.raises(NoSoundError, match=r"bert cannot be run from sound.*Fix"):
        FromSound("bert", build_model("bert", "tiny", seed=0))


def test_a_recording_is_the_same_by_seed_and_never_too_loud() -> None:
    assert torch.equal(rising_tone(0.5, 16_000, 3), rising_tone(0.5, 16_000, 3))
    assert not torch.equal(rising_tone(0.5, 16_000, 3), rising_tone(0.5, 16_000, 4))
    assert rising_tone(5.0, 16_000).abs().max() <= 1
