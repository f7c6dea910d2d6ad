"""TODO from export.graph.float_graph."""

import numpy as np
import onnx
import onnxruntime
import torch

from finetune.network.checkpoint import Checkpoint
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import INPUT, OUTPUT
from runtime.inference.session import session_options


class TorchNetwork:
    """The checkpoint in PyTorch, asked as a `runtime.inference.session.Session` is: the reference for everything exported."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._network = checkpoint.network()

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (batch, size, size, 3) to float32 (batch, classes), on the CPU."""
        with torch.inference_mode():
            return self._network(torch.from_numpy(images)).numpy()


class OnnxNetwork:
    """A finished or unfinished graph in onnxruntime, asked as a `runtime.inference.session.Session` is, without a file."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = session_options(default_threads())
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (batch, size, size, 3) to float32 (batch, classes), on the CPU."""
        return np.asarray(self._session.run([OUTPUT], {INPUT: images})[0])


def torch_logits(checkpoint: Checkpoint, pixels: np.ndarray) -> np.ndarray:
    """What PyTorch answers to one batch, to compare the graph with."""
    return TorchNetwork(checkpoint).logits(pixels)
