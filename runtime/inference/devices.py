"""Devices: names for onnxruntime's execution providers, and what must be installed for each.

Source: onnxruntime, "Execution Providers", and the names of its packages on PyPI.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import onnxruntime

from runtime.errors import DeviceError


@dataclass(frozen=True)
class Device:
    """One place where a network can run."""

    name: str
    provider: str
    """onnxruntime's name of it."""
    summary: str
    install: str
    """What to do where the installed onnxruntime lacks it."""


DEVICES = {
    device.name: device
    for device in (
        Device("cpu", "CPUExecutionProvider", "any processor", "pip install onnxruntime"),
        Device("cuda", "CUDAExecutionProvider", "NVIDIA GPU",
               "pip uninstall onnxruntime && pip install onnxruntime-gpu"),
        Device("tensorrt", "TensorrtExecutionProvider", "NVIDIA GPU through TensorRT; the first start takes minutes",
               "pip uninstall onnxruntime && pip install onnxruntime-gpu tensorrt"),
        Device("openvino", "OpenVINOExecutionProvider", "Intel processors and GPUs",
               "pip uninstall onnxruntime && pip install onnxruntime-openvino"),
        Device("coreml", "CoreMLExecutionProvider", "Apple's GPU and Neural Engine",
               "pip install onnxruntime on a Mac"),
        Device("qnn", "QNNExecutionProvider", "Qualcomm's NPU",
               "pip uninstall onnxruntime && pip install onnxruntime-qnn"),
        Device("xnnpack", "XnnpackExecutionProvider", "Arm processors through XNNPACK",
               "build onnxruntime with --use_xnnpack; no package on PyPI has it"),
        Device("nnapi", "NnapiExecutionProvider", "Android's accelerators",
               "use the Android package onnxruntime-android; no package on PyPI has it"),
    )
}  # fmt: skip
"""By the names that ``--device`` takes."""

AUTO = ("cuda", "openvino", "cpu")
"""What ``auto`` tries, best first. Not TensorRT, which compiles for minutes; nor those that take only some of this
network's operations and hand the rest back, which costs more than it saves."""

NAMES = ("auto", *DEVICES)


def available_devices() -> list[str]:
    """The devices that the installed onnxruntime was built for; whether they start is another question."""
    providers = onnxruntime.get_available_providers()
    return [name for name, device in DEVICES.items() if device.provider in providers]


def candidate_devices(name: str) -> Sequence[Device]:
    """The devices to try for ``name``, a device's or ``auto``, in this order.

    Raises:
        DeviceError: an unknown device, or one that the installed onnxruntime was not built for.
    """
    if name == "auto":
        found = available_devices()
        return [DEVICES[device] for device in AUTO if device in found]
    if name not in DEVICES:
        raise DeviceError(f"device must be one of {', '.join(NAMES)}, not {name!r}")
    if name not in available_devices():
        raise DeviceError(
            f"the installed onnxruntime has no {name} ({DEVICES[name].summary}); {DEVICES[name].install} "
            "(or use --device cpu)"
        )
    return [DEVICES[name]]


def providers_for(device: Device) -> list[str]:
    """onnxruntime's providers for a device: itself, and after it what takes the operations that it lacks."""
    below = ["cuda"] if device.name == "tensorrt" and "cuda" in available_devices() else []
    return list(dict.fromkeys([device.provider, *(DEVICES[name].provider for name in (*below, "cpu"))]))
