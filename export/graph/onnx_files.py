"""TODO from export.graph.float_graph."""

from pathlib import Path

import onnx
from onnx import helper

from runtime.errors import ModelError
from runtime.inference.model_file import ModelInfo, check_model_file


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


def model_file_bytes(model: onnx.ModelProto, info: ModelInfo) -> bytes:
    """The bytes of a model file: ``model`` with ``info`` as its metadata, checked by onnx."""
    strip_debug_information(model)
    del model.metadata_props[:]
    helper.set_model_props(model, info.to_metadata())
    model.producer_name, model.producer_version = "flower-edge", info.versions.get("flower-edge", "")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def strip_debug_information(model: onnx.ModelProto) -> onnx.ModelProto:
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
