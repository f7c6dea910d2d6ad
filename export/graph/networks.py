"""Networks that run without a model file: the checkpoint in PyTorch, and a graph in onnxruntime."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import onnxruntime
import torch

from export.errors import ExportError
from export.graph.familiarity_output import FEATURES
from finetune.network.checkpoint import Checkpoint
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import INPUT, OUTPUT
from runtime.inference.session import Outputs, session_options


class TorchNetwork:
    """The checkpoint in PyTorch, with the interface of `runtime.inference.session.Session`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._network = checkpoint.network()

    def run(self, images: np.ndarray) -> Outputs:
        """Run the network on the CPU: uint8, shape (batch, size, size, 3), to logits. It has no familiarity."""
        with torch.inference_mode():
            return Outputs(self._network(torch.from_numpy(images)).numpy(), None)


class OnnxNetwork:
    """A graph with byte input in onnxruntime, with the interface of `runtime.inference.session.Session`.

    Raises:
        ExportError: onnxruntime cannot open or run the graph.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        options = session_options(default_threads())
        with _onnxruntime_errors():
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def run(self, images: np.ndarray) -> Outputs:
        """Run the graph on the CPU: uint8, shape (batch, size, size, 3), to logits. The familiarity is not computed."""
        return Outputs(self.logits(images), None)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the graph on the CPU and return the logits only: float32, shape (batch, classes)."""
        with _onnxruntime_errors():
            return np.asarray(self._session.run([OUTPUT], {INPUT: images})[0])

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run a graph of `export.graph.familiarity_output.with_features`.

        Args:
            images: uint8, shape (batch, size, size, 3).

        Returns:
            The features, float32, shape (batch, features), and the logits, float32, shape (batch, classes).
        """
        with _onnxruntime_errors():
            features, logits = self._session.run([FEATURES, OUTPUT], {INPUT: images})
        return np.asarray(features), np.asarray(logits)


@contextmanager
def _onnxruntime_errors() -> Iterator[None]:
    """Turn onnxruntime's errors, which have many types, into an `ExportError`."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"onnxruntime cannot run the exported graph ({reason}); nothing was written; try other versions of torch "
            "and onnxruntime"
        ) from None
