"""Probing: which platforms this machine has, found by asking it, and why the others are absent.

Belongs here: what the answers of drivers, runtimes and browsers mean for the grid. Does not belong here: the
questions that run in processes of their own (`*_questions`), and measured peaks (`peaks`).
"""

from __future__ import annotations

import importlib.util
import os
import platform as host
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hwbench_pipeline.hardware.asking import NoAnswerError, answer_of, shortened
from hwbench_pipeline.hardware.browsers import (
    BROWSER_VARIABLE,
    RUNTIME_FIX,
    UNNAMED_ADAPTER,
    BrowserSettingError,
    adapter_name,
    adapter_names_itself,
    adapter_words,
    browser_built_with_webnn,
    find_browser,
    find_firefox,
    is_firefox,
    is_software_adapter,
    web_runtime_version,
)
from hwbench_pipeline.hardware.environment import cpu_name, installed_version, memory_total_mb
from hwbench_pipeline.hardware.platforms import hardware_keys, platform_of
from hwbench_pipeline.hardware.plugins import Plugin
from hwbench_pipeline.hardware.torch_questions import precisions_that_run

BROWSER_TIMEOUT_S = 20.0
FIREFOX_TIMEOUT_S = 60.0
"""It makes a profile first: eight seconds on a machine of two busy cores."""
RUNTIME_TIMEOUT_S = 60.0
"""For torch and OpenVINO in a process of their own: importing them on a loaded machine takes most of it."""
TOOL_TIMEOUT_S = 10.0

OPENVINO_DEVICE = "CPU"
"""The OpenVINO device that the platform openvino stands for; others it finds are named in the probe's text."""

_OPENVINO_PRECISIONS = {"FP32": "fp32", "BF16": "bf16", "FP16": "fp16"}
_COMPRESSED_PRECISIONS = ("int8", "int4")
"""Of the weights alone, which nncf makes; what integers a device says it computes in is another question."""
WEB_PLATFORMS = ("webnn", "webgpu", "wasm")
_WEB_PRECISIONS = ("fp32",)
"""What the page runs so far."""


@dataclass(frozen=True)
class Probe:
    """What one platform answered.

    `is_available` says whether cells can run on it here; if not, `reason` says why, with the fix where there is one, and
    `absence` what kind of why: `no_hardware` (it is not here), `unsupported` (it is here, and this version cannot run on
    it), `failed` (asking broke or took too long, so nobody knows).
    `probe` is what was asked and what it answered, word for word and short. `device_memory_mb` is in MB (1e6 bytes):
    the device's own memory, the host's for CPU platforms. `precisions` are those that ran when tried (torch) or that
    the device says it computes in (OpenVINO); None where nothing could be asked. `probed_at` is in UTC.
    `computes_on_host_cpu` says whether the CPU's peaks are its ceiling, `is_software` whether the device is a GPU played by
    software on the CPU: what is measured there stands for no GPU. `browser` is set where another than the usual one answered.
    """

    key: str
    is_available: bool
    absence: str | None
    reason: str | None
    probe: str
    device_name: str | None
    device_memory_mb: float | None
    driver_version: str | None
    backend: str | None
    backend_version: str | None
    precisions: tuple[str, ...] | None
    supports_training: bool
    probed_at: datetime
    computes_on_host_cpu: bool = False
    is_software: bool = False
    browser: Path | None = None


@dataclass
class _Answers:
    """Gathers what one platform answers; `transcript` holds question and answer pairs, in order."""

    key: str
    transcript: list[str]
    reason: str | None = None
    absence: str = "no_hardware"
    device_name: str | None = None
    device_memory_mb: float | None = None
    driver_version: str | None = None
    backend_version: str | None = None
    precisions: tuple[str, ...] | None = None
    backend: str | None = None
    computes_on_host_cpu: bool = False
    is_software: bool = False
    browser: Path | None = None

    def note(self, question: str, answer: object) -> None:
        """Keep one question with its answer."""
        self.transcript.append(f"{question}: {answer}")


_probes: dict[str, Probe] = {}
_browser_answers: dict[str, dict[str, Any] | NoAnswerError] = {}
_probing = threading.RLock()


def probe(key: str, *, refresh: bool = False) -> Probe:
    """Ask this machine for one platform; the answer is kept for the life of the process, unless `refresh` asks again.
    A question that failed is not kept.

    Never raises for a platform of the grid: a question that fails or takes too long becomes the reason of absence.
    Raises `UnknownHardwareError`.
    """
    platform_of(key)
    with _probing:
        if refresh:
            _probes.pop(key, None)
            if key in WEB_PLATFORMS:
                _browser_answers.clear()
        if key not in _probes:
            found = _probe_now(key)
            if found.absence == "failed":
                _browser_answers.clear()
                return found
            _probes[key] = found
        return _probes[key]


def probe_all(*, refresh: bool = False) -> tuple[Probe, ...]:
    """Every platform of the grid, in its order."""
    with _probing:
        if refresh:
            _probes.clear()
            _browser_answers.clear()  # once for both web platforms: they share one visit of the browser
        return tuple(probe(key) for key in hardware_keys())


def usual_keys() -> list[str]:
    """The platforms to run on where nobody names any: those that this machine has, but for GPUs that software plays."""
    return [found.key for found in probe_all() if found.is_available and not found.is_software]


def probe_in(key: str, browser: Path) -> Probe:
    """What a web platform answers in one browser, whichever is the usual one; see `probe`."""
    with _probing:
        return _probe_now(key, browser)


def _probe_now(key: str, browser: Path | None = None) -> Probe:
    platform = platform_of(key)
    answers = _Answers(key, [], browser=browser)
    try:
        if platform.plugin is None:
            _PROBE_OF[key](answers)
        else:
            _probe_plugin(platform.plugin, answers)
    except Exception as error:  # noqa: BLE001 — a driver or runtime that breaks is an answer about the machine
        answers.reason = f"asking failed: {type(error).__name__}: {shortened(str(error))}"
        answers.absence = "failed"
        answers.note("asking", answers.reason)
    return _as_probe(answers)


def _as_probe(answers: _Answers) -> Probe:
    platform = platform_of(answers.key)
    return Probe(
        key=answers.key,
        is_available=answers.reason is None,
        absence=None if answers.reason is None else answers.absence,
        reason=answers.reason,
        probe="; ".join(answers.transcript),
        device_name=answers.device_name,
        device_memory_mb=answers.device_memory_mb,
        driver_version=answers.driver_version,
        backend=answers.backend or platform.backend,
        backend_version=answers.backend_version,
        precisions=answers.precisions,
        supports_training=platform.supports_training,
        probed_at=datetime.now(UTC),
        computes_on_host_cpu=answers.computes_on_host_cpu,
        is_software=answers.is_software,
        browser=answers.browser,
    )


def _probe_plugin(plugin: Plugin, answers: _Answers) -> None:
    answers.note("package", f"{plugin.package} {plugin.version}" if plugin.version else plugin.package)
    if plugin.refusal is not None:
        answers.absence = "failed"
        answers.reason = plugin.refusal
        return
    answer = answer_of("plugin_questions", plugin.key, timeout_s=RUNTIME_TIMEOUT_S)
    answers.reason = answer["reason"]
    answers.backend = answer["runtime"]
    answers.backend_version = answer["runtime_version"]
    answers.device_name = answer["device_name"]
    answers.device_memory_mb = answer["device_memory_mb"]
    answers.driver_version = answer["driver_version"]
    answers.precisions = None if answer["precisions"] is None else tuple(answer["precisions"])
    answers.computes_on_host_cpu = answer["computes_on_host_cpu"]
    answers.note(answer["title"], answer["transcript"])


def _probe_cpu(answers: _Answers) -> None:
    import torch

    answers.computes_on_host_cpu = True
    answers.device_name = cpu_name()
    answers.device_memory_mb = memory_total_mb()
    answers.backend_version = str(torch.__version__)
    answers.precisions = tuple(precisions_that_run("cpu"))
    answers.note("CPU name", answers.device_name)
    answers.note("torch.backends.cpu.get_cpu_capability()", torch.backends.cpu.get_cpu_capability())
    answers.note("matrix product tried in fp32, bf16, fp16", f"ran in {', '.join(answers.precisions)}")


def _probe_cuda(answers: _Answers) -> None:
    import torch

    answers.backend_version = str(torch.__version__)
    smi = shutil.which("nvidia-smi")
    nodes = _device_nodes("nvidia*")
    answers.note("torch.version.cuda", torch.version.cuda)
    answers.note("nvidia-smi", smi or "not on PATH")
    if sys.platform == "linux":
        answers.note("/dev/nvidia*", nodes or "none")
    if smi:
        answers.driver_version = _nvidia_driver(smi, answers)
    has_driver = smi is not None or bool(nodes)
    if torch.version.cuda is None:
        if torch.version.hip is None:  # a ROCm build would answer for its AMD GPU
            answers.note("torch.cuda.is_available()", torch.cuda.is_available())
        device = "there is an NVIDIA driver" if has_driver else "there is no NVIDIA driver here either"
        answers.reason = (
            f"torch {torch.__version__} is built without CUDA; {device}. Fix: on a machine with an NVIDIA GPU and its "
            "driver, install a CUDA build of torch (https://pytorch.org/get-started/locally)"
        )
        return
    if not _ask_torch_gpu("cuda", answers):
        answers.reason = (
            f"torch {torch.__version__} is built with CUDA {torch.version.cuda}, but torch.cuda.is_available() is False"
            + (
                "; an NVIDIA driver is there. Fix: check with nvidia-smi that it works and is new enough for this CUDA"
                if has_driver
                else "; there is no NVIDIA driver. Fix: run on a machine with an NVIDIA GPU and its driver"
            )
        )


def _probe_rocm(answers: _Answers) -> None:
    import torch

    answers.backend_version = str(torch.__version__)
    answers.note("torch.version.hip", torch.version.hip)
    has_driver = Path("/dev/kfd").exists()
    if sys.platform == "linux":
        answers.note("/dev/kfd", "present" if has_driver else "absent")
    if torch.version.hip is None:
        device = "the AMD GPU driver is there" if has_driver else "there is no AMD GPU driver here either"
        answers.reason = (
            f"torch {torch.__version__} is built without ROCm; {device}. Fix: on a machine with an AMD GPU and its "
            "driver, install a ROCm build of torch (https://pytorch.org/get-started/locally)"
        )
        return
    answers.driver_version = _text_of(Path("/sys/module/amdgpu/version"))
    if not _ask_torch_gpu("cuda", answers):
        answers.reason = (
            f"torch {torch.__version__} is built with ROCm {torch.version.hip}, but torch.cuda.is_available() is False. "
            "Fix: run on a machine with an AMD GPU, its driver, and access to /dev/kfd (group render)"
        )


def _probe_mps(answers: _Answers) -> None:
    import torch

    answers.backend_version = str(torch.__version__)
    is_built = torch.backends.mps.is_built()
    answers.note("platform", f"{host.system()} {host.machine()}")
    answers.note("torch.backends.mps.is_built()", is_built)
    if not is_built:
        answers.note("torch.backends.mps.is_available()", torch.backends.mps.is_available())
        answers.reason = (
            f"Metal is there on macOS only, this is {host.system()}. Fix: run on a Mac with Apple silicon"
            if sys.platform != "darwin"
            else f"torch {torch.__version__} is built without MPS. Fix: install torch's build for macOS on arm64"
        )
        return
    answers.driver_version = f"macOS {host.mac_ver()[0]}"
    if not _ask_torch_gpu("mps", answers):
        answers.reason = (
            "torch.backends.mps.is_available() is False: no Metal device. Fix: use macOS 14 or newer on Apple silicon, "
            "outside a virtual machine without a GPU"
        )
        return
    answers.device_name = cpu_name()  # the GPU is part of that chip and has no name of its own
    answers.device_memory_mb = memory_total_mb()  # unified memory


def _ask_torch_gpu(device: str, answers: _Answers) -> bool:
    question = "torch.backends.mps.is_available()" if device == "mps" else "torch.cuda.is_available()"
    answer = answer_of("torch_questions", device, timeout_s=RUNTIME_TIMEOUT_S)
    answers.note(question, answer["is_available"])
    if not answer["is_available"]:
        return False
    answers.note("devices", answer["device_count"])
    answers.precisions = tuple(answer["precisions"])
    if answer.get("device_name"):
        answers.device_name = answer["device_name"]
        answers.note("device 0", answers.device_name)
    if answer.get("memory_bytes"):
        answers.device_memory_mb = round(answer["memory_bytes"] / 1e6)
    return True


def _probe_openvino(answers: _Answers) -> None:
    answers.computes_on_host_cpu = True
    version = installed_version("openvino")
    if version is None:
        answers.note("installed distribution openvino", "none")
        answers.reason = "openvino is not installed. Fix: pip install openvino, or the extra [pipeline]"
        return
    answers.backend_version = version
    answer = answer_of("openvino_questions", timeout_s=RUNTIME_TIMEOUT_S)
    answers.backend_version = answer["version"]
    devices: Mapping[str, Mapping[str, Any]] = answer["devices"]
    answers.note("openvino.Core().available_devices", list(devices))
    for name, device in devices.items():
        answers.note(f"{name} FULL_DEVICE_NAME", device["name"])
        answers.note(f"{name} OPTIMIZATION_CAPABILITIES", ", ".join(device["capabilities"]))
    chosen = devices.get(OPENVINO_DEVICE)
    if chosen is None:
        answers.reason = (
            f"OpenVINO {answer['version']} offers no {OPENVINO_DEVICE} device, only {', '.join(devices) or 'none'}. "
            "Fix: reinstall openvino for this processor"
        )
        return
    answers.device_name = chosen["name"] or cpu_name()
    answers.device_memory_mb = memory_total_mb()
    nncf = installed_version("nncf")
    answers.note("nncf", nncf or f"not installed, so no {', '.join(_COMPRESSED_PRECISIONS)} weights")
    computed = tuple(precision for name, precision in _OPENVINO_PRECISIONS.items() if name in chosen["capabilities"])
    answers.precisions = (*computed, *(_COMPRESSED_PRECISIONS if nncf else ()))


def _probe_webgpu(answers: _Answers) -> None:
    answer = _ask_browser(answers)
    if answer is not None:
        _note_adapter(answer, answers, fix=_adapter_fix(answers))


def _note_adapter(answer: Mapping[str, Any], answers: _Answers, *, fix: str = "") -> None:
    adapter = answer["webgpu"].get("adapter")
    if adapter is None:
        error = answer["webgpu"]["error"]
        answers.note("navigator.gpu.requestAdapter()", error)
        answers.reason = f"the browser offers no WebGPU adapter: {error}{fix}"
        return
    is_fallback = str(adapter["is_fallback"]).lower()
    answers.note("navigator.gpu.requestAdapter()", f"{adapter_words(adapter)}, isFallbackAdapter {is_fallback}")
    if "named_by" in adapter:
        answers.note("its name is told by", adapter["named_by"])
    if not adapter_names_itself(adapter):
        answers.absence = "unsupported"
        answers.reason = UNNAMED_ADAPTER
        return
    answers.device_name = adapter_name(adapter)
    answers.is_software = answers.computes_on_host_cpu = is_software_adapter(adapter)
    _note_runtime(answers)


def visitor_probe(key: str, told: Mapping[str, Any], *, machine: str) -> Probe:
    """One web platform on a visitor's computer, from what its browser said (`web_questions`). `machine` is the person's name for
    it, which stands for the CPU that no browser names.

    Raises KeyError and TypeError for what no page of ours says.
    """
    answers = _Answers(key, [f"browser: {told['user_agent']}"])
    if key == "webgpu":
        _note_adapter(told, answers)
    elif key == "webnn":
        working = _working_webnn(told, answers)
        if working:
            used = told["webnn_devices"][working[0]]
            answers.note("its devices", ", ".join(used) if used else "not told")
            answers.device_name = f"{machine} ({', '.join(used) if used else 'device not told'})"
            _note_runtime(answers)
    else:
        answers.device_name = machine
        _note_runtime(answers)
    return _as_probe(answers)


def _adapter_fix(answers: _Answers) -> str:
    """Chromium brings a GPU in software and Firefox does not, so what is missing there can be named."""
    browser = answers.browser or _usual_browser()
    if sys.platform != "linux" or browser is None or not is_firefox(browser):
        return ""
    return ". Fix: install the GPU's Vulkan driver, which Firefox needs on Linux (Mesa's mesa-vulkan-drivers has one in software too)"


def _working_webnn(answer: Mapping[str, Any], answers: _Answers) -> list[str]:
    """The devices for which a graph gave right numbers; where there is none, that is the reason for absence."""
    errors: Mapping[str, str | None] = answer["webnn"]
    for error in dict.fromkeys(errors.values()):
        devices = ", ".join(device for device, its_error in errors.items() if its_error == error)
        answers.note(f"a WebNN graph for {devices}", error or "right")
    working = [device for device, error in errors.items() if error is None]
    first = shortened(next(iter(errors.values())) or "").rstrip(".")
    answers.reason = None if working else f"the browser computes no WebNN graph: {first}"
    return working


def _probe_webnn(answers: _Answers) -> None:
    answer: dict[str, Any] | None = None
    working: list[str] = []
    browsers = [answers.browser]
    if answers.browser is None and (further := browser_built_with_webnn()):
        browsers.append(further)
    for browser in browsers:
        answer = _ask_browser(answers, browser)
        if answer is None:
            continue
        working = _working_webnn(answer, answers)
        if working:
            answers.browser = browser
            break
    if not working or answer is None:
        if answer is not None:
            set_already = f"unset {BROWSER_VARIABLE} and " if os.environ.get(BROWSER_VARIABLE) else ""
            answers.reason = f"{answers.reason}. Fix: {set_already}`make webnn`, or set {BROWSER_VARIABLE} to a browser built with WebNN"
        return
    used = answer["webnn_devices"][working[0]]
    answers.note("its devices", ", ".join(used) if used else "not told")
    answers.computes_on_host_cpu = used == ["cpu"]
    answers.device_name = webnn_device_name(used)
    _note_runtime(answers)


def webnn_device_name(used: Sequence[str] | None) -> str:
    """What computes a WebNN graph, by the kinds of devices that the browser says the graph uses."""
    if list(used or ()) == ["cpu"]:
        return cpu_name() or "the host's CPU"
    return f"WebNN ({', '.join(used) if used else 'device not told'})"


def _probe_wasm(answers: _Answers) -> None:
    answers.computes_on_host_cpu = True
    if _ask_browser(answers) is None:
        return
    answers.device_name = cpu_name()
    answers.device_memory_mb = memory_total_mb()
    _note_runtime(answers)


def _note_runtime(answers: _Answers) -> None:
    answers.backend_version = web_runtime_version()
    answers.note("onnxruntime-web", answers.backend_version or "not installed")
    if answers.backend_version is None:
        answers.absence = "unsupported"
        answers.reason = f"onnxruntime-web, which the page runs models with, is not installed. Fix: {RUNTIME_FIX}"
        return
    answers.precisions = _WEB_PRECISIONS


def browser_of(key: str) -> Path | None:
    """The browser that a web platform is measured in: for webnn the first that computes a WebNN graph.

    Raises `BrowserSettingError`.
    """
    chosen = probe(key).browser if key == "webnn" else None
    return chosen or _usual_browser()


def browser_answer(browser: Path) -> dict[str, Any] | NoAnswerError:
    """What a browser answered to `web_questions`, or why it did not; one visit serves all web platforms."""
    place = str(browser)
    if place not in _browser_answers:
        timeout_s = FIREFOX_TIMEOUT_S if is_firefox(browser) else BROWSER_TIMEOUT_S
        try:
            _browser_answers[place] = answer_of("web_questions", place, timeout_s=timeout_s)
        except NoAnswerError as error:
            _browser_answers[place] = error
    return _browser_answers[place]


def _usual_browser() -> Path | None:
    return find_browser() or find_firefox()


def _ask_browser(answers: _Answers, browser: Path | None = None) -> dict[str, Any] | None:
    """A browser's answers, by default those of the one that the probe is of, or None with the reason set."""
    try:
        browser = browser or answers.browser or _usual_browser()
    except BrowserSettingError as error:
        answers.note(error.variable, "no executable file of it")
        answers.reason = str(error)
        return None
    answers.note("browser", browser or "none")
    if browser is None:
        answers.reason = (
            "no browser: neither Chrome, Chromium, Edge nor Firefox is on PATH or in its usual place. Fix: install one, or "
            f"set {BROWSER_VARIABLE} to its executable"
        )
        return None
    driver = "websockets" if is_firefox(browser) else "playwright"
    if importlib.util.find_spec(driver) is None:
        answers.note(f"import {driver}", "not installed")
        answers.reason = (
            f"{driver}, which drives the browser, is not installed. Fix: pip install {driver}, or the extra [pipeline]"
        )
        return None
    answer = browser_answer(browser)
    if isinstance(answer, NoAnswerError):
        answers.absence = "failed"
        answers.note("opening it headless", answer)
        answers.reason = (
            f"the browser {browser} did not answer: {answer}. Fix: start it by hand to see what it lacks, or set "
            f"{BROWSER_VARIABLE} to another one"
        )
        return None
    answers.note("version", answer["browser_version"])
    return answer


def _device_nodes(pattern: str) -> str:
    return ", ".join(sorted(str(node) for node in Path("/dev").glob(pattern)))


def _nvidia_driver(smi: str, answers: _Answers) -> str | None:
    command = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        answers.note("nvidia-smi --query-gpu=driver_version", shortened(str(error)))
        return None
    answers.note("nvidia-smi --query-gpu=driver_version", shortened(done.stdout or done.stderr))
    lines = done.stdout.split("\n")
    return lines[0].strip() or None if done.returncode == 0 else None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


_PROBE_OF: Mapping[str, Callable[[_Answers], None]] = {
    "cpu": _probe_cpu,
    "cuda": _probe_cuda,
    "rocm": _probe_rocm,
    "mps": _probe_mps,
    "openvino": _probe_openvino,
    "webnn": _probe_webnn,
    "webgpu": _probe_webgpu,
    "wasm": _probe_wasm,
}
