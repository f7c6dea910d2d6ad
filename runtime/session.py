"""Opening a model with onnxruntime on a device, and telling what is wrong when that fails."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from runtime.errors import DeviceError, ModelError
from runtime.modelfile import INPUT, OUTPUT, ModelInfo, read_model_bytes
from runtime.overflow import products_overflow

MAX_THREADS = 1024
DEVICES = ("auto", "cpu", "cuda")


def providers_for(device: str) -> list[str]:
    """The onnxruntime execution providers for ``auto``, ``cpu`` or ``cuda``, best first.

    Raises:
        DeviceError: an unknown device, or one that the installed onnxruntime was not built for.
    """
    if device not in DEVICES:
        raise DeviceError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise DeviceError(
            "the installed onnxruntime has no CUDA; "
            "run: pip uninstall onnxruntime && pip install onnxruntime-gpu (or use --device cpu)"
        )
    if device == "cpu" or not cuda:
        return ["CPUExecutionProvider"]
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def default_threads() -> int:
    """Cores this process may use: onnxruntime's own default looks at the machine, not at the process's share of it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How the runtime has onnxruntime run a model, ``threads`` for one operation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(threads, MAX_THREADS)
    options.inter_op_num_threads = 1
    # Threads wait for the next layer awake, since a layer takes less than it takes to wake one; and sleep between
    # photographs, so that they burn no battery and no other process's time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if products_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    # Errors come back as exceptions; onnxruntime's own log lines would only repeat them.
    options.log_severity_level = 4
    return options


class Session:
    """An opened model: bytes in, logits out.

    Args:
        path: a model file written by ``python -m export``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: for one operation; by default, the cores this process may use.

    Raises:
        ModelError: the file is missing, damaged or not one of ours.
        DeviceError: the device cannot be used, or not with so many threads.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str = "auto", threads: int | None = None) -> None:
        self.path = Path(path)
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise DeviceError(f"threads must be a whole number from 1 up, not {threads!r}")
        providers = providers_for(device)
        options = session_options(threads or default_threads())
        content = read_model_bytes(self.path)
        try:
            # Without the fallback of onnxruntime's Python layer, which speaks on standard output.
            self._session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
            self.info = ModelInfo.from_metadata(self._session.get_modelmeta().custom_metadata_map, str(self.path))
            self._check_contract()
        except ModelError:
            raise
        # For a bad file onnxruntime raises many kinds (InvalidProtobuf, Fail, RuntimeError, UnicodeDecodeError, …).
        except Exception as error:
            raise ModelError(f"{self.path}: not a model that onnxruntime can open ({_first_line(error)})") from None
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        if device == "cuda" and self.device != "cuda":
            raise DeviceError("CUDA was asked for but could not be started; check the driver, or use --device cpu")

    def _check_contract(self) -> None:
        size = self.info.preprocessing.size
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        fits = (
            len(inputs) == 1
            and inputs[0].name == INPUT
            and inputs[0].type == "tensor(uint8)"
            and inputs[0].shape[1:] == [size, size, 3]
            and [output.name for output in outputs] == [OUTPUT]
            and outputs[0].type == "tensor(float)"
            and outputs[0].shape[1:] == [len(self.info.classes)]
        )
        if not fits:
            raise ModelError(f"{self.path}: its input or output does not fit its own metadata; export it again")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            images: uint8, shape (batch, size, size, 3), from `Preprocessing`.

        Returns:
            float32, shape (batch, classes).
        """
        try:
            result: Any = self._session.run([OUTPUT], {INPUT: images})[0]
        except Exception as error:
            raise ModelError(f"{self.path}: the model failed while running ({_first_line(error)})") from None
        return result


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
