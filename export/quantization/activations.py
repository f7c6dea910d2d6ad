"""Running a core graph, float or quantized, and reading its activations."""

from collections.abc import Collection

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from export.graph.interface import PIXELS
from finetune.network.photo_network import PIXEL_ZERO


def float_pixels(images: np.ndarray) -> np.ndarray:
    """Return the input of a core graph: uint8, shape (n, size, size, 3), to float32, shape (n, 3, size, size)."""
    return images.transpose(0, 3, 1, 2).astype(np.float32) - PIXEL_ZERO


class ActivationReader:
    """Runs a core graph without onnxruntime's optimisations, which would fuse activations away.

    Args:
        core: float pixels in, logits out.
        names: activations to return: float tensors of the graph, its input included.
    """

    def __init__(self, core: onnx.ModelProto, names: Collection[str]) -> None:
        model = onnx.ModelProto()
        model.CopyFrom(core)
        existing = {output.name for output in model.graph.output} | {PIXELS}
        self._names = [name for name in names if name != PIXELS]
        self._with_pixels = PIXELS in names
        for name in self._names:
            if name not in existing:
                model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def read(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the activations for one batch: name → float32, first dimension n.

        Args:
            images: uint8, shape (n, size, size, 3).
        """
        pixels = float_pixels(images)
        values = self._session.run(self._names, {PIXELS: pixels}) if self._names else []
        activations = {name: np.asarray(value) for name, value in zip(self._names, values, strict=True)}
        return {PIXELS: pixels, **activations} if self._with_pixels else activations
