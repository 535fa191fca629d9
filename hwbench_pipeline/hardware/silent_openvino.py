"""openvino without its telemetry: `from hwbench_pipeline.hardware.silent_openvino import openvino`.

Left to itself, openvino forks a process for each of the events of a conversion, some ninety of them, which each try to reach
Google Analytics: it tells what is measured here to somebody else, and forking a process that holds torch takes longer than the
conversion. Without the package `openvino_telemetry` it sends nothing, so here that package cannot be imported. Belongs here:
that, before openvino is imported for the first time. Does not belong here: anything done with it.
"""

import sys

# None says that there is no such module; openvino and nncf then take their own stand-ins for it
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

__all__ = ["openvino"]
