"""Reading an ONNX file, and the bytes of a model file with its metadata."""

from pathlib import Path

import onnx
from onnx import helper

from runtime.errors import ModelError
from runtime.inference.model_file import PRODUCER, ModelInfo, check_model_file


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read the graph of a model file.

    Raises:
        ModelError: the file is missing, unsafe or damaged, or is in ORT format, which holds no ONNX graph.
    """
    check_model_file(path)
    try:
        return onnx.load_from_string(path.read_bytes())
    except Exception:  # protobuf raises several unrelated classes
        raise ModelError(
            f"{path}: not an ONNX file; if it is in ORT format, give the ONNX file it was made from"
        ) from None


def model_file_bytes(model: onnx.ModelProto, info: ModelInfo) -> bytes:
    """Return the bytes of a model file: ``model`` with ``info`` as its metadata, checked by `onnx.checker`.

    ``model`` is changed: its metadata is replaced and its debug information removed.
    """
    strip_debug_information(model)
    del model.metadata_props[:]
    helper.set_model_props(model, info.to_metadata())
    model.producer_name, model.producer_version = PRODUCER, info.versions.get("flower-edge", "")
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def strip_debug_information(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove stack traces, comments and intermediate shapes, in place, and return ``model``.

    Exporters add them for debugging. They hold paths of the exporting machine and make the file larger.
    """
    graph = model.graph
    del graph.value_info[:]
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    used_domains = {node.domain for node in graph.node}
    used_opsets = [entry for entry in model.opset_import if entry.domain in used_domains]
    del model.opset_import[:]
    model.opset_import.extend(used_opsets)
    return model
