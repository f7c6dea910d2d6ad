"""Opening a model with onnxruntime on a device, and running it."""

import ctypes
import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from runtime.errors import DeviceError, ModelError, OutOfMemoryError, debugging, says_too_little_memory
from runtime.inference.cpu_threads import cpu_threads
from runtime.inference.devices import DEVICES, Device
from runtime.inference.int8_overflow import int8_products_overflow
from runtime.inference.model_file import FAMILIARITY, INPUT, NOT_ENOUGH_MEMORY, OUTPUT, ModelInfo, check_model_file
from runtime.inference.optimised_form import MAPPED, form_path, is_trusted, kept_form
from runtime.inference.providers import (
    candidate_devices,
    first_line,
    preload_libraries,
    providers_for,
    reason_not_started,
)

CPU = DEVICES["cpu"]


def session_options(threads: int, *, optimised: bool = False) -> onnxruntime.SessionOptions:
    """Return the options with which the runtime opens a model.

    Args:
        threads: CPU threads for one operator.
        optimised: for the optimised form of a model, which was made for this processor.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_threads(threads)
    options.inter_op_num_threads = 1
    # Threads spin while they wait for the next layer, because a layer takes less time than waking a thread. They stop
    # spinning between two runs, to save the battery and the time of other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not optimised and int8_products_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    if not debugging():
        # Errors are raised as exceptions; onnxruntime's log lines would repeat them.
        options.log_severity_level = 4
    return options


@dataclass(frozen=True)
class Outputs:
    """What a network says of a batch of photos."""

    logits: np.ndarray
    """float32, shape (batch, classes)."""
    familiarity: np.ndarray | None
    """float32, shape (batch,), 0 to 1: how near a photo is to the photographs of the training that show the class with
    its largest logit. None if the model file has no such output."""


class Session:
    """An opened model: photo bytes in, logits and familiarity out. Several threads may use one at the same time.

    After a fork, the child opens the model again when it first runs it, because onnxruntime's threads exist only in the
    parent.

    Args:
        path: a model file written by ``python -m export``.
        device: ``auto``, or a name in `runtime.inference.devices.DEVICES`.
        threads: CPU threads for one operator, see `runtime.inference.cpu_threads.cpu_threads`.

    Raises:
        ModelError: the file is missing, damaged or not made by this toolkit.
        DeviceError: the device cannot be used, or the number of threads is invalid.
        OutOfMemoryError: the memory does not suffice now.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str = "auto", threads: int | None = None) -> None:
        self.path = Path(path)
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise DeviceError(f"threads must be a whole number from 1 up, not {threads!r}")
        self.threads = cpu_threads(threads)
        self.failed_devices: dict[str, str] = {}
        """The devices that ``auto`` tried first and that did not start, each with the reason."""
        candidates = candidate_devices(device)
        for candidate in candidates:
            opened = self._open(candidate)
            if isinstance(opened, onnxruntime.InferenceSession):
                break
            if len(candidates) == 1:
                raise DeviceError(
                    f"{candidate.name} ({candidate.summary}) was asked for but could not be started ({opened}); check "
                    "its driver and libraries, or use --device cpu"
                )
            self.failed_devices[candidate.name] = opened
        self._device, self.device = candidate, candidate.name
        self._session: onnxruntime.InferenceSession | None = opened
        self._reopening = threading.Lock()
        _open_sessions.add(self)

    def _open(self, device: Device) -> onnxruntime.InferenceSession | str:
        """Return a session on ``device``, or the reason why the device does not start."""
        try:
            form = form_path(self.path) if device.name == CPU.name else None
            session = self._open_form(form) if form else None
            if session is None:
                check_model_file(self.path)
                preload_libraries(device)
                session = self._open_and_keep(form) if form else self._open_file(self.path, device=device)
        except ModelError:
            raise
        # For a bad file onnxruntime raises many types (InvalidProtobuf, Fail, RuntimeError, UnicodeDecodeError, …).
        except Exception as error:
            if says_too_little_memory(error):
                raise OutOfMemoryError(NOT_ENOUGH_MEMORY) from None
            if device.name != "cpu":
                return reason_not_started(device, error)
            raise ModelError(f"{self.path}: not a model that onnxruntime can open ({first_line(error)})") from None
        # onnxruntime leaves out a provider that cannot start, without an error.
        return session if device.provider in session.get_providers() else reason_not_started(device, None)

    def _open_file(
        self, file: Path, options: onnxruntime.SessionOptions | None = None, device: Device = CPU
    ) -> onnxruntime.InferenceSession:
        """Open the model file, or a form of it, and check its metadata."""
        options = options or session_options(self.threads)
        # onnxruntime's Python layer has a fallback of its own, which prints on standard output.
        session = onnxruntime.InferenceSession(
            os.fspath(file), options, providers=providers_for(device), enable_fallback=0
        )
        made = session.get_modelmeta()
        self.info = ModelInfo.from_metadata(made.custom_metadata_map, str(self.path), producer=made.producer_name)
        self._check_contract(session)
        return session

    def _open_form(self, form: Path) -> onnxruntime.InferenceSession | None:
        """Open the optimised form of the model file; None if there is none that can be used."""
        if not is_trusted(form):
            return None
        options = session_options(self.threads, optimised=True)
        for key, value in MAPPED.items():
            options.add_session_config_entry(key, value)
        try:
            return self._open_file(form, options)
        except Exception as error:  # a damaged form is made again
            if says_too_little_memory(error):
                raise
            with suppress(OSError):
                form.unlink()
            return None

    def _open_and_keep(self, form: Path) -> onnxruntime.InferenceSession:
        """Open the model file and keep its optimised form, if the disk allows it."""
        options = session_options(self.threads)
        try:
            with kept_form(form, options):
                session = self._open_file(self.path, options)
                if form_path(self.path) != form:
                    raise FileNotFoundError("the model file was replaced meanwhile")  # so the form is not kept
            return session
        except ModelError:
            raise
        # The form cannot be written, or the file cannot be opened. The second is found out again below.
        except Exception:
            return self._open_file(self.path)

    def _reopen(self) -> onnxruntime.InferenceSession:
        """Return a session of this process, which is opened once."""
        with self._reopening:
            if self._session is None:
                info = self.info
                opened = self._open(self._device)
                if isinstance(opened, str):
                    raise DeviceError(
                        f"{self.device} could not be started in a forked process ({opened}); make the classifier after "
                        "the fork"
                    )
                if self.info != info:
                    self.info = info
                    raise ModelError(f"{self.path}: the model was replaced after it was opened; start again")
                self._session = opened
            return self._session

    def _leave_to_parent(self) -> None:
        """Give up the parent's session in a forked child. Its destructor would wait for threads that do not exist."""
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))  # so it is never destroyed
        self._session = None
        self._reopening = threading.Lock()  # a thread of the parent may have held the old one

    def _check_contract(self, session: onnxruntime.InferenceSession) -> None:
        size = self.info.preprocessing.size
        inputs, outputs = session.get_inputs(), session.get_outputs()
        valid = (
            len(inputs) == 1
            and inputs[0].name == INPUT
            and inputs[0].type == "tensor(uint8)"
            and inputs[0].shape[1:] == [size, size, 3]
            and (not isinstance(inputs[0].shape[0], int) or inputs[0].shape[0] == 1)
            and [output.name for output in outputs] in ([OUTPUT], [OUTPUT, FAMILIARITY])
            and all(output.type == "tensor(float)" for output in outputs)
            and outputs[0].shape[1:] == [len(self.info.classes)]
            and all(len(output.shape) == 1 for output in outputs[1:])
        )
        if not valid:
            raise ModelError(f"{self.path}: its input or output does not match its metadata; export it again")
        self.max_batch_size: int | None = 1 if inputs[0].shape[0] == 1 else None
        """Most photos that one run takes; None: any number."""
        self._outputs = [output.name for output in outputs]

    @property
    def has_familiarity(self) -> bool:
        """Whether the model file has the output ``familiarity``."""
        return FAMILIARITY in self._outputs

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the network and return the logits only, see `run`."""
        return self.run(images).logits

    def run(self, images: np.ndarray) -> Outputs:
        """Run the network.

        Args:
            images: uint8, shape (batch, size, size, 3), made by `Preprocessing`.

        Raises:
            ModelError: the run failed, or a number is not finite.
            OutOfMemoryError: the memory does not suffice for a batch of this size.
        """
        session = self._session or self._reopen()
        try:
            results: list[Any] = session.run(self._outputs, {INPUT: images})
        except Exception as error:
            if says_too_little_memory(error):
                raise OutOfMemoryError(NOT_ENOUGH_MEMORY) from None
            raise ModelError(f"{self.path}: the model failed while running ({first_line(error)})") from None
        if not all(np.isfinite(result).all() for result in results):
            raise ModelError(f"{self.path}: the model gives numbers that are not finite; export it again")
        logits, familiarity = results[0], results[1] if self.has_familiarity else None
        if logits.shape != (len(images), len(self.info.classes)) or (
            familiarity is not None and (familiarity.shape != (len(images),) or familiarity.min() < 0)
        ):
            raise ModelError(f"{self.path}: the model's outputs do not have the right shapes; export it again")
        return Outputs(logits, familiarity)


_open_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for session in list(_open_sessions):
        session._leave_to_parent()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
