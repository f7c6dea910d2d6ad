"""The machine that figures were measured on, and the memory of this process."""

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from runtime.distribution import tool_versions

FEATURES = ("avx2", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""CPU features on which the speed of INT8 depends. asimddp is Arm's dot product."""


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, system and versions. Nothing in it identifies the computer or its owner."""
    fields = _read_cpuinfo()
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "features": [feature for feature in FEATURES if feature in flags],
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": tool_versions("onnxruntime", "onnxruntime-gpu", "torch", "numpy", "pillow"),
    }


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    try:
        # getrusage would include the memory of the parent process before exec; /proc has this program alone.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _read_cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
