"""Workgroup sizes of a compute shader that turns sound into a log-mel spectrogram, as Whisper's feature extractor does.

Belongs here: the spectrogram in numpy, which says what is right, and the sweep in a page. The claim it tries: that 256×1×1 is
the best size for audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwbench_pipeline.bench.backends.web.pages import OwnPage
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.web_experiments.comparing import samples_in_turns
from hwbench_pipeline.catalog.sound import rising_tone

SAMPLING_RATE_HZ, N_FFT, HOP, N_MELS = 16_000, 400, 160, 80
"""Those of Whisper's feature extractor (openai/whisper-tiny, preprocessor_config.json)."""
SIZES = ("1x1x1", "8x8x1", "16x16x1", "32x1x1", "64x1x1", "128x1x1", "1x64x1", "256x1x1")
BASELINE = "64x1x1"
"""What the WebGPU guides recommend where nothing else is known (webgpufundamentals.org, "compute shaders")."""
CONTROL = "64x1x1 again"
"""The baseline under another name: an experiment that sees it differ from itself sees nothing."""
WRONG_KERNEL = "a wrong kernel"
"""It reads each frame one sample late, and must be found out."""
TOLERANCE = 1e-3

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KernelSamples:
    """What a page gave: milliseconds per variant in turns, each variant's largest error over the largest value, and what
    the adapter says of itself."""

    samples_ms: dict[str, list[float]]
    max_rel_error: dict[str, float]
    adapter: dict[str, Any]


def recording(seconds: float) -> Array:
    """The sound of the experiment."""
    sound: Array = rising_tone(seconds, SAMPLING_RATE_HZ).numpy()
    return sound


def window() -> npt.NDArray[np.float64]:
    """The periodic Hann window of a frame."""
    return np.hanning(N_FFT + 1)[:-1]


def mel_filters() -> Array:
    """Triangular filters, mels × frequencies, by transformers' own function with Whisper's settings."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=N_FFT // 2 + 1,
        num_mel_filters=N_MELS,
        min_frequency=0.0,
        max_frequency=SAMPLING_RATE_HZ / 2,
        sampling_rate=SAMPLING_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    return np.ascontiguousarray(bank.T, dtype=np.float32)


def log_mel(sound: Array) -> Array:
    """The log-mel spectrogram of a sound, mels × frames, in double precision by numpy's FFT.

    Frames are centred and the sound is mirrored at its ends; the last frame is left out, as Whisper does; log10 of at
    least 1e-10.
    """
    mirrored = np.pad(sound.astype(np.float64), N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, N_FFT)[::HOP][: sound.size // HOP]
    power = np.abs(np.fft.rfft(frames * window(), axis=1)) ** 2
    mel: Array = np.log10(np.maximum(mel_filters() @ power.T, 1e-10)).astype(np.float32)
    return mel


def _request(sound: Array) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the page is asked, and the arrays that it fetches: the mirrored sound, windowed waves, and filters."""
    n_bins = N_FFT // 2 + 1
    angle = 2 * np.pi * np.outer(np.arange(n_bins), np.arange(N_FFT)) / N_FFT
    waves = np.stack([np.cos(angle) * window(), np.sin(angle) * window()], axis=1).astype(np.float32)
    mirrored = np.pad(sound, N_FFT // 2, mode="reflect").astype(np.float32)
    arrays = {"sound": mirrored, "waves": waves, "filters": mel_filters()}
    asked = {
        "n_frames": int(sound.size // HOP),
        "n_bins": n_bins,
        "n_fft": N_FFT,
        "hop": HOP,
        "n_mels": N_MELS,
        "variants": {
            **{size: {"size": size, "late": 0} for size in SIZES},
            CONTROL: {"size": BASELINE, "late": 0},
            WRONG_KERNEL: {"size": BASELINE, "late": 1},
        },
    }
    return asked, {f"kernel/{name}": values.tobytes() for name, values in arrays.items()}


class WrongKernelNotFoundError(Exception):
    """The planted wrong kernel gave right values: nothing that this experiment says is worth anything."""


def sweep(server: PageServer, page: OwnPage, seconds: float, n_rounds: int) -> KernelSamples:
    """Run every size in turns on a sound of so many seconds, after comparing each with numpy.

    `server` has to serve `files_for(seconds)`. Raises `PageError`, and `WrongKernelNotFoundError`.
    """
    sound = recording(seconds)
    asked, _ = _request(sound)
    expected = log_mel(sound)
    adapter = dict(page.identified(page.call("prepareKernels", asked)) or {})
    errors = {}
    for name in asked["variants"]:
        page.call("kernelOutput", name)
        given = np.frombuffer(server.outputs[0], dtype=np.float32).reshape(expected.shape)
        errors[name] = float(np.max(np.abs(given - expected)) / np.max(np.abs(expected)))
    if errors[WRONG_KERNEL] <= TOLERANCE:
        raise WrongKernelNotFoundError(
            f"the planted wrong kernel differs from numpy by {errors[WRONG_KERNEL]:.2g} only"
        )
    right = [name for name, error in errors.items() if error <= TOLERANCE]

    def timed(name: str) -> Callable[[], float]:
        return lambda: float(page.call("runKernel", name))

    samples = samples_in_turns({name: timed(name) for name in right}, n_rounds)
    return KernelSamples(samples, errors, adapter)


def files_for(seconds: float) -> dict[str, bytes]:
    """What the page's server has to serve for `sweep`."""
    return _request(recording(seconds))[1]
