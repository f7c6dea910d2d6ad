"""From a checkpoint to the core graph.

The exported network has two parts. The *core* takes float pixels (byte minus `PIXEL_ZERO`), shape
(batch, 3, size, size), and is the part that `export.quantization.int8` quantizes. The *byte input*
(`export.graph.byte_input`) turns the photo's bytes into these pixels. The division by the standard deviation is part of
the weights of the first convolution.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn

from export.errors import ExportError
from export.graph.interface import OPSET, PIXELS
from export.graph.onnx_files import strip_debug_information
from finetune.network.checkpoint import Checkpoint
from finetune.network.photo_network import FEATURES
from runtime.inference.model_file import OUTPUT


class _GlobalAveragePool(nn.Module):
    """ONNX's GlobalAveragePool. torch's own pooling exports as ReduceMean, for which onnxruntime has no INT8 kernel."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.onnx.ops.symbolic(
            "GlobalAveragePool", (maps,), dtype=maps.dtype, shape=(maps.shape[0], FEATURES, 1, 1), version=OPSET
        )


def build_float_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Return the checkpoint's network as ONNX, from float pixels to logits, for any batch size.

    torch's exporter folds BatchNorm into the convolutions, so FP32 and INT8 start from the same graph.

    Raises:
        ExportError: torch's exporter returned nothing.
    """
    network = checkpoint.network()
    core = network.resnet
    with torch.no_grad():
        core.conv1.weight /= network.std
    core.avgpool = _GlobalAveragePool()
    size = checkpoint.preprocessing.size
    # Two images, because the exporter treats a batch of one as a constant.
    example = torch.zeros((2, 3, size, size))
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            core,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[PIXELS],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no graph; install the versions in constraints.txt")
    # Serialized and parsed again, because the exporter's model shares memory with the torch network.
    return strip_debug_information(onnx.load_from_string(program.model_proto.SerializeToString()))


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hide the exporter's progress lines, which do not help users. Errors are still raised as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
