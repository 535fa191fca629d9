"""What OpenVINO answers about its devices; run as a process by `asking`, because a device plugin can hang.

Belongs here: the questions. Does not belong here: what the answers mean (`probing`).
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.hardware.asking import print_answer


def ask_openvino() -> dict[str, Any]:
    """Version, device names and the precisions each device says it computes in. Raises ImportError without openvino."""
    from hwbench_pipeline.hardware.silent_openvino import openvino

    core = openvino.Core()
    devices = {}
    for device in core.available_devices:
        devices[device] = {
            "name": str(core.get_property(device, "FULL_DEVICE_NAME")).strip(),
            "capabilities": [str(name) for name in core.get_property(device, "OPTIMIZATION_CAPABILITIES")],
        }
    return {"version": str(openvino.__version__), "devices": devices}


if __name__ == "__main__":
    print_answer(ask_openvino())
