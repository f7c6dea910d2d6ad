"""The whole export: from a checkpoint to model files."""

from collections.abc import Callable
from pathlib import Path

from export.errors import ExportError
from export.files.model_metadata import check_confidence_values, note_on_kept_threshold
from export.quantization.ranges import METHODS
from export.stages.evidence import changed_photographs, too_few_photographs
from export.stages.familiarity import fit_familiarity
from export.stages.finish import GivenConfidence, finish
from export.stages.float_network import build_float_network
from export.stages.guard import check_accuracy, report_named_share, report_trained_on
from export.stages.load import load
from export.stages.measure import measure
from export.stages.quantize import QuantizationOptions, quantize_variants
from export.stages.write import ExportedModel, write
from export.targets import PRECISIONS, TARGETS
from export.verification.accuracy_guard import advise
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

EVALUATION_SPLITS = ("test", "train")
LARGEST_SCALE = 1e12
"""Of a familiarity that is taken from another file, which is not trusted."""


def export_checkpoint(
    checkpoint: Path | str,
    data: Path | str,
    *,
    output: Path | str | None = None,
    target: str = "cpu",
    quantize: str = "int8",
    calibration_method: str = "percentile",
    search: bool = False,
    qat_epochs: int = 0,
    max_drop: float = 0.5,
    calibration_images: int | None = None,
    temperature: float | None = None,
    threshold: float | None = None,
    confidence_of: Path | str | None = None,
    evaluate: str | None = "test",
    evaluation_images: int | None = None,
    report: Callable[[str], None] = print,
) -> list[ExportedModel]:
    """Export a checkpoint to FP32 and quantized model files, each measured and checked before anything is written.

    Args:
        checkpoint: ``best.pt`` from ``python -m finetune``.
        data: the data set that it was trained on.
        output: the folder for the model files; by default the folder of ``checkpoint``.
        target: ``cpu`` or ``cuda`` (`export.targets`).
        quantize: ``none``, ``fp16`` or ``int8``.
        calibration_method: how activation ranges are found: ``minmax``, ``percentile``, ``entropy`` or ``mse``
            (`export.quantization.ranges.METHODS`).
        search: try all calibration methods and repairs, and keep layers in float if needed, instead of using
            ``calibration_method`` (`export.quantization.search`).
        qat_epochs: epochs of quantization-aware fine-tuning before INT8.
        max_drop: points of validation top-1 that a file may lose against FP32, 0 to 100.
        calibration_images: validation photographs to calibrate on; None for all.
        temperature: for all files, 0.01 to 100; None fits one for each file on the calibration photographs.
        threshold: for all files, 0 to 1: the probability below which an answer is no name; None fits one for each
            file on the calibration photographs.
        confidence_of: a model file from which temperature and cuts are taken, instead of fitting them: for a network
            that was trained on the validation photographs, a file of the same recipe trained without them.
        evaluate: the split on which the files are measured besides validation: ``test``, ``train`` or None.
        evaluation_images: photographs of that split; None for all.
        report: receives lines about what is measured.

    Returns:
        The files that were written, FP32 first.

    Raises:
        ExportError: an argument is outside its limits, ONNX does not answer as PyTorch does, a file loses more than
            ``max_drop``, or checkpoint and data set have different classes.
        CheckpointError: the checkpoint is missing or damaged.
        DataError: the data set is missing or damaged.
    """
    _check_choices(
        target=(target, TARGETS),
        quantize=(quantize, PRECISIONS),
        calibration_method=(calibration_method, tuple(METHODS)),
        evaluate=(evaluate, (*EVALUATION_SPLITS, None)),
    )
    if not 0 <= max_drop <= 100:
        raise ExportError(f"--max-drop {max_drop}: must be 0 to 100 points")
    check_confidence_values(temperature, threshold)
    twin = None if confidence_of is None else _read_twin(Path(confidence_of))
    given = GivenConfidence(temperature, threshold, twin)
    options = QuantizationOptions(target, quantize, calibration_method, search, qat_epochs, max_drop)

    inputs = load(
        Path(checkpoint),
        Path(data),
        calibration_images=calibration_images,
        evaluate=evaluate,
        evaluation_images=evaluation_images,
    )
    source = inputs.checkpoint
    if twin is not None:
        for name, theirs, ours in (
            ("classes", twin.classes, source.classes),
            ("preprocessing", twin.preprocessing, source.preprocessing),
            ("architecture", twin.architecture, source.architecture.name),
        ):
            if theirs != ours:
                raise ExportError(
                    f"{confidence_of}: its {name} differs from the checkpoint's; give one of the same recipe"
                )
        if (note := note_on_kept_threshold(twin, temperature, threshold)) is not None:
            report(note)
    held_out = ("val",) if evaluate is None else ("val", evaluate)
    for line in (
        *changed_photographs(Path(data), source.provenance, source.trained_on, names=held_out),
        *too_few_photographs(inputs),
    ):
        report(f"data     {line}")
    network = build_float_network(inputs, report)
    distance = fit_familiarity(inputs, network, twin, report)
    variants = quantize_variants(inputs, network, distance, options, report)
    measured = measure(variants, inputs)
    advice = advise(searched=search, fine_tuned=qat_epochs > 0)
    check_accuracy(measured, inputs, network, max_drop=max_drop, advice=advice, report=report)
    report_trained_on(inputs, given, report)
    finished = finish(measured, inputs, given)
    report_named_share(finished, report)
    return write(finished, Path(checkpoint).parent if output is None else Path(output))


def _read_twin(path: Path) -> ModelInfo:
    """Read the metadata of a file for ``confidence_of``, and check that it has what is taken from it."""
    info = Session(path, device="cpu").info
    scale = info.familiarity.get("scale")
    # A bool is an int in Python, but no scale.
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale <= LARGEST_SCALE:
        raise ExportError(f"{path}: has no familiarity; export it again with this version")
    return info


def _check_choices(**choices: tuple[str | None, tuple[str | None, ...]]) -> None:
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ExportError(f"{name} {value!r}: must be one of {', '.join(map(str, allowed))}")
