"""Checkpoint → ONNX graph.

The exported network has two parts. The *core* takes float pixels (byte - `PIXEL_ZERO`) in (batch, 3, size, size) and
is what `export.quantization.int8` quantizes. The *intake* turns the photo's bytes into them: a transpose, and a DequantizeLinear
with scale 1 and zero point `PIXEL_ZERO`. The division by the standard deviation is inside the first convolution's
weights.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn

from export.graph.onnx_files import strip_debug_information
from finetune.network.checkpoint import Checkpoint
from finetune.network.photo_network import FEATURES
from runtime.inference.model_file import OUTPUT

OPSET = 18


PIXELS = "pixels"
"""The core's input: float32 (batch, 3, size, size)."""


class _Pool(nn.Module):
    """ONNX's GlobalAveragePool. torch's own pooling exports as ReduceMean, for which onnxruntime has no INT8 kernel."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.onnx.ops.symbolic(
            "GlobalAveragePool", (maps,), dtype=maps.dtype, shape=(maps.shape[0], FEATURES, 1, 1), version=OPSET
        )


def build_float_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The checkpoint's network as ONNX, from float pixels to logits, any batch size.

    torch's exporter folds BatchNorm into the convolutions, so FP32 and INT8 start from the same graph.
    """
    network = checkpoint.network()
    core = network.resnet
    with torch.no_grad():
        core.conv1.weight /= network.std
    core.avgpool = _Pool()
    size = checkpoint.preprocessing.size
    # Two, because the exporter takes a batch of one for a constant.
    example = torch.zeros((2, 3, size, size))
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            core,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[PIXELS],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    assert program is not None
    # A round through bytes: the exporter's model shares memory with the torch network.
    return strip_debug_information(onnx.load_from_string(program.model_proto.SerializeToString()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress in lines that mean nothing to our users; errors still come as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
