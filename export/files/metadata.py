"""A finished model file with other words about how sure it is; the network stays as it is, byte for byte."""

from dataclasses import replace
from pathlib import Path

from export.files.output_files import write_together
from export.graph.onnx_files import model_file_bytes, read_onnx
from runtime.inference.session import Session


def update_metadata(
    model: Path, output: Path, *, temperature: float | None = None, threshold: float | None = None
) -> Path:
    """Write ``model`` anew, under its own name, with another temperature or threshold; returns where.

    For a network that was trained on all photographs there are: what it should say of itself is found with a twin that
    was trained without some of them, and perhaps only later.

    Args:
        model: a model file.
        output: a folder, which may be the one that ``model`` is in.
        temperature: of the new file; None: as it was.
        threshold: likewise.

    Raises:
        ModelError: not a model file of ours.
    """
    info = Session(model, device="cpu").info
    changed = replace(
        info,
        temperature=info.temperature if temperature is None else temperature,
        threshold=info.threshold if threshold is None else threshold,
    )
    write_together(output, {model.name: model_file_bytes(read_onnx(model), changed)})
    return output / model.name
