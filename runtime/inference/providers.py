"""The devices that the installed onnxruntime can use, and its execution providers for each."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from runtime.errors import DeviceError
from runtime.inference.devices import AUTO, DEVICE_NAMES, DEVICES, Device


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


def missing_library(device: Device) -> str | None:
    """Return why the library of a device's provider cannot be loaded, in the system's words, or None if it can.

    onnxruntime leaves out a provider whose library cannot be loaded, and only logs the reason, for example
    "libcudnn.so.9: cannot open shared object file".
    """
    folder = Path(onnxruntime.__file__).parent / "capi"
    for library in sorted(folder.glob(f"*onnxruntime_providers_{device.name}.*")):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return str(error)
    return None


def providers_for(device: Device) -> list[str]:
    """Return onnxruntime's providers for a device: its own, and then those that run the operators it lacks."""
    fallback = ["cuda"] if device.name == "tensorrt" and "cuda" in available_devices() else []
    return list(dict.fromkeys([device.provider, *(DEVICES[name].provider for name in (*fallback, "cpu"))]))
