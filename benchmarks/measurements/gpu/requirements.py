"""What must be there to measure an NVIDIA GPU, and the name of the GPU."""

import subprocess
from collections.abc import Iterable

import torch

from runtime.inference.devices import DEVICES
from runtime.inference.providers import available_devices

NVIDIA_SMI = "nvidia-smi"
"""The command of NVIDIA's driver. The suite asks for the first GPU, which is the one that is measured."""
ON_GPU = ("cuda", "tensorrt")
"""The devices of onnxruntime that are an NVIDIA GPU."""
DRIVER = f"{NVIDIA_SMI} names no GPU (install NVIDIA's driver)"
ONNXRUNTIME = f"the installed onnxruntime has no CUDA ({DEVICES['cuda'].install})"
TORCH = "the installed torch has no CUDA (pip uninstall torch torchvision, and install them from PyPI on Linux)"
TORCH_WITH_CUDA = "torch has CUDA but finds no GPU (update NVIDIA's driver)"


def missing(inference_devices: Iterable[str], training_devices: Iterable[str]) -> list[str]:
    """Return what is missing, each with what to install. The list is empty if nothing is.

    TensorRT is not required: where it does not start, the report says so.

    Args:
        inference_devices: names in `runtime.inference.devices.DEVICES`.
        training_devices: ``cpu`` or ``cuda``.
    """
    needs_onnxruntime = any(name in ON_GPU for name in inference_devices)
    needs_torch = "cuda" in training_devices
    lines = []
    has_driver = gpu_description() is not None
    if (needs_onnxruntime or needs_torch) and not has_driver:
        lines.append(DRIVER)
    if needs_onnxruntime and "cuda" not in available_devices():
        lines.append(ONNXRUNTIME)
    if needs_torch and torch.version.cuda is None:
        lines.append(TORCH)
    elif needs_torch and has_driver and not torch.cuda.is_available():
        lines.append(TORCH_WITH_CUDA)
    return lines


def gpu_description() -> str | None:
    """Return name, memory and driver of the first GPU as the driver names them, or None if there is none."""
    query = [NVIDIA_SMI, "--id=0", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = [field.strip() for field in done.stdout.strip().split(",")]
    if done.returncode or len(fields) != 3:
        return None
    name, memory, driver = fields
    return f"{name}, {memory}, driver {driver}"
