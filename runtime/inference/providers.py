"""The devices that the installed onnxruntime can use, its execution providers for each, and why one does not start."""

import contextlib
import ctypes
import io
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

from runtime.errors import DEBUG_VARIABLE, DeviceError
from runtime.inference.devices import AUTO, DEVICE_NAMES, DEVICES, Device

MAX_REASON = 200
"""Longest part of onnxruntime's message that is repeated, in characters."""

SOURCE_LINE = re.compile(r"^\S+\.(?:cc|cpp|cu|h):\d+ .*[])] (?=[A-Z])")
"""The place in onnxruntime's source code with which some of its messages begin."""

LIBRARIES = Path(onnxruntime.__file__).parent / "capi"
"""Where the package has the libraries of its providers."""
TENSORRT_PACKAGE = "tensorrt_libs"
"""The module of NVIDIA's package ``tensorrt-cu13-libs``, whose folder holds the libraries."""
TENSORRT_LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")
"""In this order, because each needs those before it."""


def available_devices() -> list[str]:
    """Return the names of the devices that the installed onnxruntime supports. Some of them may fail to start."""
    providers = onnxruntime.get_available_providers()
    return [name for name, device in DEVICES.items() if device.provider in providers]


def candidate_devices(name: str) -> Sequence[Device]:
    """Return the devices to try for ``name``, in this order.

    Args:
        name: one of `DEVICE_NAMES`.

    Raises:
        DeviceError: the device is unknown, or the installed onnxruntime does not support it.
    """
    if name == "auto":
        available = available_devices()
        return [DEVICES[device] for device in AUTO if device in available]
    if name not in DEVICES:
        raise DeviceError(f"device must be one of {', '.join(DEVICE_NAMES)}, not {name!r}")
    if name not in available_devices():
        raise DeviceError(
            f"the installed onnxruntime has no {name} ({DEVICES[name].summary}); {DEVICES[name].install} "
            "(or use --device cpu)"
        )
    return [DEVICES[name]]


def providers_for(device: Device) -> list[str]:
    """Return onnxruntime's providers for a device: its own, and then those that run the operators it lacks."""
    fallback = ["cuda"] if device.name == "tensorrt" and "cuda" in available_devices() else []
    return list(dict.fromkeys([device.provider, *(DEVICES[name].provider for name in (*fallback, "cpu"))]))


def preload_libraries(device: Device) -> None:
    """Load the libraries of NVIDIA's packages on PyPI, which the system would not find in their folders."""
    if device.name in ("cuda", "tensorrt"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
    if device.name == "tensorrt":
        _preload_tensorrt()


def _preload_tensorrt() -> None:
    """Load TensorRT's libraries from its package on PyPI, which `onnxruntime.preload_dlls` leaves out.

    The provider of onnxruntime needs them by name. The system takes a library of that name which is loaded already.
    """
    package = find_spec(TENSORRT_PACKAGE)
    for folder in (package.submodule_search_locations if package else None) or ():
        for name in TENSORRT_LIBRARIES:
            for library in Path(folder).glob(f"{name}.so.*"):
                with contextlib.suppress(OSError):  # `reason_not_started` says which library is missing
                    ctypes.CDLL(str(library))


def reason_not_started(device: Device, error: Exception | None) -> str:
    """Return in one line why a device did not start.

    Args:
        device: it.
        error: what onnxruntime raised. If a library is missing, it raises nothing or does not name the library, and
            writes the name to its log only; the system says it again when the provider is loaded again.
    """
    for library in LIBRARIES.glob(f"*onnxruntime_providers_{device.name}.*"):
        try:
            ctypes.CDLL(str(library))
        except OSError as missing:
            return first_line(missing)
    return first_line(error) if error else f"onnxruntime does not say why; {DEBUG_VARIABLE}=1 shows its messages"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without a place in source code and not too long."""
    lines = str(error).strip().splitlines()
    return SOURCE_LINE.sub("", lines[0])[:MAX_REASON].strip() if lines else type(error).__name__
