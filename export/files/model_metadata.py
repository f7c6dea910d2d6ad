"""Changing the temperature or the threshold of a finished model file."""

from dataclasses import replace
from pathlib import Path

from export.errors import ExportError
from export.files.output_files import write_together
from export.graph.onnx_files import model_file_bytes, read_onnx
from runtime.inference.session import Session


def check_confidence_values(temperature: float | None, threshold: float | None) -> None:
    """Check values that a user gave. None means not given.

    Raises:
        ExportError: a value is outside the limits of the model file's format.
    """
    if temperature is not None and not 0.01 <= temperature <= 100:
        raise ExportError(f"--temperature {temperature}: must be 0.01 to 100")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ExportError(f"--threshold {threshold}: must be 0 to 1")


def update_metadata(
    model: Path | str,
    *,
    output: Path | str | None = None,
    temperature: float | None = None,
    threshold: float | None = None,
) -> Path:
    """Write a model file again with another temperature or threshold. The network stays the same, byte for byte.

    For a network that was trained on all labelled photographs, both values come from a second network, trained without
    some of them. They may be known only after the export.

    Args:
        model: a model file.
        output: a folder; the file keeps its name. By default the folder of ``model``, where it is replaced.
        temperature: the new one, 0.01 to 100; None keeps the old one.
        threshold: the new one, 0 to 1; None keeps the old one.

    Returns:
        The path of the written file.

    Raises:
        ModelError: ``model`` is not a model file of this project.
        ExportError: neither value is given, or one is outside its limits.
    """
    if temperature is None and threshold is None:
        raise ExportError("nothing to change; give --temperature, --threshold or both")
    check_confidence_values(temperature, threshold)
    model = Path(model)
    output = model.parent if output is None else Path(output)
    info = Session(model, device="cpu").info
    changed = replace(
        info,
        temperature=info.temperature if temperature is None else temperature,
        threshold=info.threshold if threshold is None else threshold,
    )
    write_together(output, {model.name: model_file_bytes(read_onnx(model), changed)})
    return output / model.name
