"""Checkpoint → ONNX graph.

The exported network has two parts. The *core* takes float pixels (byte - `PIXEL_ZERO`) in (batch, 3, size, size) and
is what `export.int8` quantizes. The *intake* turns the photo's bytes into them: a transpose, and a DequantizeLinear
with scale 1 and zero point `PIXEL_ZERO`. The division by the standard deviation is inside the first convolution's
weights.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import nn

from finetune.checkpoint import Checkpoint
from finetune.network import FEATURES, PIXEL_ZERO
from runtime.errors import ModelError
from runtime.modelfile import INPUT, OUTPUT, ModelInfo, check_model_file
from runtime.session import session_options
from runtime.threads import default_threads

OPSET = 18
PIXELS = "pixels"
"""The core's input: float32 (batch, 3, size, size)."""


class _Pool(nn.Module):
    """ONNX's GlobalAveragePool. torch's own pooling exports as ReduceMean, for which onnxruntime has no INT8 kernel."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.onnx.ops.symbolic(
            "GlobalAveragePool", (maps,), dtype=maps.dtype, shape=(maps.shape[0], FEATURES, 1, 1), version=OPSET
        )


def build_core(checkpoint: Checkpoint) -> onnx.ModelProto:
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
    return _stripped(onnx.load_from_string(program.model_proto.SerializeToString()))


def with_intake(core: onnx.ModelProto, *, plain: bool = False) -> onnx.ModelProto:
    """A copy of ``core`` that takes bytes: uint8 (batch, size, size, 3), RGB.

    If ``core`` quantizes its pixels first thing, that quantization is replaced by the bytes themselves, which are the
    same numbers. ``plain``: by Cast and Sub in any case, for what takes no DequantizeLinear of unsigned bytes.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    graph = model.graph
    batch, _, height, width = graph.input[0].type.tensor_type.shape.dim
    shape = [batch.dim_param or "batch", height.dim_value, width.dim_value, 3]
    quantizers = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == PIXELS and not plain]
    target = quantizers[0].output[0] if quantizers else f"{PIXELS}_bytes"
    for node in quantizers:
        graph.node.remove(node)
    channels_first = [0, 3, 1, 2]
    if plain:
        # TensorRT takes unsigned bytes into a Cast and into nothing else: not even a Transpose may come before it.
        graph.initializer.append(helper.make_tensor("intake_zero", TensorProto.FLOAT, [], [PIXEL_ZERO]))
        intake = [
            helper.make_node("Cast", [INPUT], [f"{INPUT}_float"], name="intake_cast", to=TensorProto.FLOAT),
            helper.make_node(
                "Transpose", [f"{INPUT}_float"], [f"{PIXELS}_float"], name="intake_transpose", perm=channels_first
            ),
            helper.make_node("Sub", [f"{PIXELS}_float", "intake_zero"], [PIXELS], name="intake"),
        ]
    else:
        intake = [helper.make_node("Transpose", [INPUT], [target], name="intake_transpose", perm=channels_first)]
        if not quantizers:
            scale = helper.make_tensor("intake_scale", TensorProto.FLOAT, [], [1.0])
            zero = helper.make_tensor("intake_zero", TensorProto.UINT8, [], [PIXEL_ZERO])
            graph.initializer.extend([scale, zero])
            dequantized = [target, scale.name, zero.name]
            intake.append(helper.make_node("DequantizeLinear", dequantized, [PIXELS], name="intake"))
    nodes = [*intake, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape))
    return model


def read_onnx(path: Path) -> onnx.ModelProto:
    """The graph of a model file.

    Raises:
        ModelError: no ONNX file that we would open; one in ORT format is none.
    """
    check_model_file(path)
    try:
        return onnx.load_from_string(path.read_bytes())
    except Exception:  # protobuf's, of which there are several
        raise ModelError(
            f"{path}: not an ONNX file, which this is made from; give the one the ORT file came from"
        ) from None


def finished(model: onnx.ModelProto, info: ModelInfo) -> bytes:
    """The bytes of a model file: ``model`` with ``info`` as its metadata, checked by onnx."""
    _stripped(model)
    del model.metadata_props[:]
    helper.set_model_props(model, info.to_metadata())
    model.producer_name, model.producer_version = "flower-edge", info.versions.get("flower-edge", "")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class TorchNetwork:
    """The checkpoint in PyTorch, asked as a `runtime.session.Session` is: the reference for everything exported."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._network = checkpoint.network()

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (batch, size, size, 3) to float32 (batch, classes), on the CPU."""
        with torch.inference_mode():
            return self._network(torch.from_numpy(images)).numpy()


class GraphNetwork:
    """A finished or unfinished graph in onnxruntime, asked as a `runtime.session.Session` is, without a file."""

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


def _stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what exporters leave behind for debugging: stack traces, comments and intermediate shapes.

    They hold paths of the machine that exported, and make the file larger for nothing.
    """
    graph = model.graph
    del graph.value_info[:]
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    used = {node.domain for node in graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


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
