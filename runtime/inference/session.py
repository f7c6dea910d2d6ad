"""Opening a model with onnxruntime on a device, and telling what is wrong when that fails."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from runtime.errors import DeviceError, ModelError
from runtime.inference.cpu_threads import default_threads
from runtime.inference.devices import Device, candidate_devices, providers_for
from runtime.inference.int8_overflow import int8_products_overflow
from runtime.inference.model_file import INPUT, OUTPUT, ModelInfo, check_model_file


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How the runtime has onnxruntime run a model, ``threads`` for one operation."""
    options = onnxruntime.SessionOptions()
    # More than there are processors would wait awake for each other's.
    options.intra_op_num_threads = min(threads, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Threads wait for the next layer awake, since a layer takes less than it takes to wake one; and sleep between
    # photographs, so that they burn no battery and no other process's time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if int8_products_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    # Errors come back as exceptions; onnxruntime's own log lines would only repeat them.
    options.log_severity_level = 4
    return options


class Session:
    """An opened model: bytes in, logits out. Any number of threads may use one at the same time.

    Args:
        path: a model file written by ``python -m export``.
        device: ``auto``, or a name in `runtime.inference.devices.DEVICES`.
        threads: for one operation; by default `runtime.inference.cpu_threads.default_threads`.

    Raises:
        ModelError: the file is missing, damaged or not one of ours.
        DeviceError: the device cannot be used, or not with so many threads.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str = "auto", threads: int | None = None) -> None:
        self.path = Path(path)
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise DeviceError(f"threads must be a whole number from 1 up, not {threads!r}")
        self.threads = threads or default_threads()
        self.passed_over: list[str] = []
        """Devices that ``auto`` would have preferred but that did not start."""
        tried = candidate_devices(device)
        check_model_file(self.path)
        for choice in tried:
            session = self._opened(choice)
            if session is not None:
                self._session, self.device = session, choice.name
                break
            if len(tried) == 1:
                raise DeviceError(
                    f"{choice.name} ({choice.summary}) was asked for but could not be started; check its driver and "
                    "libraries, or use --device cpu"
                )
            self.passed_over.append(choice.name)

    def _opened(self, device: Device) -> onnxruntime.InferenceSession | None:
        """A session on ``device``, or None where that does not start."""
        try:
            # Without the fallback of onnxruntime's Python layer, which speaks on standard output.
            session = onnxruntime.InferenceSession(
                os.fspath(self.path), session_options(self.threads), providers=providers_for(device), enable_fallback=0
            )
            self.info = ModelInfo.from_metadata(session.get_modelmeta().custom_metadata_map, str(self.path))
            self._check_contract(session)
        except ModelError:
            raise
        # For a bad file onnxruntime raises many kinds (InvalidProtobuf, Fail, RuntimeError, UnicodeDecodeError, …).
        except Exception as error:
            if device.name != "cpu":
                return None
            raise ModelError(f"{self.path}: not a model that onnxruntime can open ({_first_line(error)})") from None
        # A provider that cannot start is left out without an error.
        return session if device.provider in session.get_providers() else None

    def _check_contract(self, session: onnxruntime.InferenceSession) -> None:
        size = self.info.preprocessing.size
        inputs, outputs = session.get_inputs(), session.get_outputs()
        fits = (
            len(inputs) == 1
            and inputs[0].name == INPUT
            and inputs[0].type == "tensor(uint8)"
            and inputs[0].shape[1:] == [size, size, 3]
            and (not isinstance(inputs[0].shape[0], int) or inputs[0].shape[0] == 1)
            and [output.name for output in outputs] == [OUTPUT]
            and outputs[0].type == "tensor(float)"
            and outputs[0].shape[1:] == [len(self.info.classes)]
        )
        if not fits:
            raise ModelError(f"{self.path}: its input or output does not fit its own metadata; export it again")
        self.largest_batch: int | None = 1 if inputs[0].shape[0] == 1 else None
        """Photos that one run may take; None: any number."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            images: uint8, shape (batch, size, size, 3), from `Preprocessing`.

        Returns:
            float32, shape (batch, classes).

        Raises:
            ModelError: it failed, or its answer is no number.
        """
        try:
            result: Any = self._session.run([OUTPUT], {INPUT: images})[0]
        except Exception as error:
            raise ModelError(f"{self.path}: the model failed while running ({_first_line(error)})") from None
        if not np.isfinite(result).all():
            raise ModelError(f"{self.path}: the model gives numbers that are not finite; export it again")
        return result


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
