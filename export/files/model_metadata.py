"""Changing the temperature or the cuts of a finished model file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from export.errors import ExportError
from export.files.output_files import write_together
from export.graph.onnx_files import model_file_bytes, read_onnx
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Session

EXPECTATIONS = ("expected_named", "interval", "photographs")
"""What a model file records of its own cuts and what does not hold for others."""
OF_VERDICTS = ("named", "named_right", "same_verdict_as_fp32")
"""Likewise, for each split."""


def check_confidence_values(
    temperature: float | None, threshold: float | None, familiarity_threshold: float | None = None
) -> None:
    """Check values that a user gave. None means not given.

    Raises:
        ExportError: a value is outside the limits of the model file's format.
    """
    if temperature is not None and not 0.01 <= temperature <= 100:
        raise ExportError(f"--temperature {temperature}: must be 0.01 to 100")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ExportError(f"--threshold {threshold}: must be 0 to 1")
    if familiarity_threshold is not None and not 0 <= familiarity_threshold <= 1:
        raise ExportError(f"--familiarity-threshold {familiarity_threshold}: must be 0 to 1")


def with_confidence_values(
    info: ModelInfo,
    *,
    temperature: float | None = None,
    threshold: float | None = None,
    familiarity_threshold: float | None = None,
) -> ModelInfo:
    """Return metadata with other values, and without what was measured or expected with the old ones.

    The strict cuts are raised if they are lower than the new ones.

    Args:
        info: the metadata; returned as it is if all values are None.
        temperature: None keeps the old one, as for the others.
        threshold: the smallest probability of a name.
        familiarity_threshold: the smallest familiarity of a name.
    """
    if temperature is None and threshold is None and familiarity_threshold is None:
        return info
    new = Cuts(
        info.threshold if threshold is None else threshold,
        info.familiarity_threshold if familiarity_threshold is None else familiarity_threshold,
    )
    return replace(
        info,
        temperature=info.temperature if temperature is None else temperature,
        threshold=new.probability,
        familiarity_threshold=new.familiarity,
        strict=info.strict
        and Cuts(max(info.strict.probability, new.probability), max(info.strict.familiarity, new.familiarity)),
        familiarity={key: value for key, value in info.familiarity.items() if key not in EXPECTATIONS},
        evaluation={
            split: {key: value for key, value in figures.items() if key not in OF_VERDICTS}
            for split, figures in info.evaluation.items()
            if isinstance(figures, dict)
        },
    )


def note_on_kept_threshold(info: ModelInfo, temperature: float | None, threshold: float | None) -> str | None:
    """Return a line if probabilities change and the threshold, which was fitted to the old ones, does not.

    Args:
        info: the old metadata.
        temperature: the new one, or None.
        threshold: the new one, or None.
    """
    if threshold is not None or temperature is None or temperature == info.temperature or not info.threshold:
        return None
    strict = f" (strict: {info.strict.probability:.3g})" if info.strict else ""
    return (
        f"note     the threshold {info.threshold:.3g}{strict} stays, but was fitted with the temperature "
        f"{info.temperature:.3g}: with {temperature:g}, other answers get a name; give --threshold as well"
    )


def update_metadata(
    model: Path | str,
    *,
    output: Path | str | None = None,
    temperature: float | None = None,
    threshold: float | None = None,
    familiarity_threshold: float | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write a model file again with another temperature or other cuts. The network stays the same, byte for byte.

    The share of new photographs that is expected to get a name is removed, because it holds for the old cuts only.

    Args:
        model: a model file.
        output: a folder; the file keeps its name. By default the folder of ``model``, where it is replaced.
        temperature: the new one, 0.01 to 100; None keeps the old one.
        threshold: the new smallest probability of a name, 0 to 1; None keeps the old one.
        familiarity_threshold: the new smallest familiarity of a name, 0 to 1; None keeps the old one.
        report: receives a line if an old threshold does not fit the new temperature.

    Returns:
        The path of the written file.

    Raises:
        ModelError: ``model`` is not a model file of this project.
        ExportError: no value is given, one is outside its limits, or the model has no familiarity.
    """
    if temperature is None and threshold is None and familiarity_threshold is None:
        raise ExportError("nothing to change; give --temperature, --threshold or --familiarity-threshold")
    check_confidence_values(temperature, threshold, familiarity_threshold)
    model = Path(model)
    output = model.parent if output is None else Path(output)
    session = Session(model, device="cpu")
    if familiarity_threshold is not None and not session.has_familiarity:
        raise ExportError(f"{model}: has no familiarity; export it again")
    changed = with_confidence_values(
        session.info, temperature=temperature, threshold=threshold, familiarity_threshold=familiarity_threshold
    )
    if (note := note_on_kept_threshold(session.info, temperature, threshold)) is not None:
        report(note)
    write_together(output, {model.name: model_file_bytes(read_onnx(model), changed)})
    return output / model.name
