"""What the figures were measured on."""

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from runtime.distribution import tool_versions

FEATURES = ("avx2", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""CPU features that decide how fast INT8 is; asimddp is Arm's dot product."""


def describe_machine() -> dict[str, Any]:
    """Processor, cores, system and versions; nothing that names the machine or its owner."""
    lines = _cpuinfo()
    flags = set(lines.get("flags", lines.get("Features", "")).split())
    return {
        "processor": lines.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "features": [feature for feature in FEATURES if feature in flags],
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": tool_versions("onnxruntime", "torch", "numpy", "pillow"),
    }


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    try:
        # Of this program alone: what getrusage says includes the process that started it, from before it was this one.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
