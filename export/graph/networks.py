"""Networks that run without a model file: the checkpoint in PyTorch, and a graph in onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import torch

from finetune.network.checkpoint import Checkpoint
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import INPUT, OUTPUT
from runtime.inference.session import session_options


class TorchNetwork:
    """The checkpoint in PyTorch, with the interface of `runtime.inference.session.Session`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._network = checkpoint.network()

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the network on the CPU: uint8, shape (batch, size, size, 3), to float32, shape (batch, classes)."""
        with torch.inference_mode():
            logits: np.ndarray = self._network(torch.from_numpy(images)).numpy()
        return logits


class OnnxNetwork:
    """A graph with byte input in onnxruntime, with the interface of `runtime.inference.session.Session`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = session_options(default_threads())
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the graph on the CPU: uint8, shape (batch, size, size, 3), to float32, shape (batch, classes)."""
        return np.asarray(self._session.run([OUTPUT], {INPUT: images})[0])
