"""Checkpoint → FP32 ONNX graph."""

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization.shape_inference import quant_pre_process

from finetune.checkpoint import Checkpoint
from runtime.modelfile import INPUT, OUTPUT, ModelInfo

OPSET = 18


def build_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The checkpoint's network as ONNX: bytes in, logits out, normalisation inside, any batch size.

    BatchNorm is folded into the convolutions by onnxruntime's own pre-processing for quantization, so that FP32 and
    INT8 start from one graph.
    """
    size = checkpoint.preprocessing.size
    # Two, because the exporter takes a batch of one for a constant.
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with _quiet(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        program = torch.onnx.export(
            checkpoint.network(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}},
        )
        assert program is not None
        exported, folded = Path(folder, "exported.onnx"), Path(folder, "folded.onnx")
        onnx.save(program.model_proto, exported)
        quant_pre_process(exported, folded, skip_symbolic_shape=True)
        return stripped(onnx.load(folded))


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what exporters leave behind for debugging: stack traces, comments and intermediate shapes.

    They hold paths of the machine that exported, and make the file larger for nothing.
    """
    del model.graph.value_info[:]
    for item in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        item.doc_string = ""
        del item.metadata_props[:]
    return model


def with_info(model: onnx.ModelProto, info: ModelInfo) -> onnx.ModelProto:
    """``model`` with ``info`` as its metadata, in place of any it had."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, info.to_metadata())
    model.producer_name, model.producer_version = "flower-edge", info.versions.get("flower-edge", "")
    return model


def serialized(model: onnx.ModelProto) -> bytes:
    """The bytes of the model file; checks the model on the way."""
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def torch_logits(checkpoint: Checkpoint, pixels: np.ndarray) -> np.ndarray:
    """What PyTorch answers, float32, to compare the graph with: uint8 (images, size, size, 3) to (images, classes)."""
    with torch.no_grad():
        return checkpoint.network()(torch.from_numpy(pixels)).numpy()


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
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
