"""Stage 6: fit temperature and threshold, measure on the evaluation split, and make the bytes of the model files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from export.confidence import fit_temperature, fit_threshold
from export.graph.onnx_files import model_file_bytes
from export.stages.load import ExportInputs
from export.stages.measure import MeasuredVariants, SplitMeasurement, measure_split
from export.stages.quantize import ExportVariant
from export.verification.comparison import Comparison
from runtime.inference.model_file import ModelInfo


@dataclass(frozen=True)
class FinishedModel:
    """One model file, not yet written."""

    name: str
    """Name of the variant, for example ``int8``."""
    content: bytes
    info: ModelInfo
    """The metadata in ``content``."""
    comparison: Comparison | None
    """With FP32, on the split that was measured last. None for FP32 itself."""
    measured_on: str
    """That split, for example ``test (1,020 of 6,149 images)``."""


def finish(
    measured: MeasuredVariants, inputs: ExportInputs, *, temperature: float | None, threshold: float | None
) -> tuple[FinishedModel, ...]:
    """Complete the metadata of all variants and serialize them.

    All files are complete before the first one is written, so a failure writes nothing.

    Args:
        measured: the variants on the calibration photographs. Its sessions are closed.
        inputs: of the export.
        temperature: for all files; None fits one for each file on the calibration photographs.
        threshold: of all files; None fits one for each file on the calibration photographs.
    """
    infos = {
        variant.name: _with_confidence(variant, measured.on_calibration, temperature, threshold)
        for variant in measured.variants
    }
    last = measured.on_calibration
    if inputs.evaluation is not None:
        last = measure_split(measured.sessions, inputs.evaluation, inputs)
        infos = {name: _with_figures(info, last, name) for name, info in infos.items()}
    measured.sessions.clear()  # releases the opened networks before the bytes of all files are made
    return tuple(
        FinishedModel(
            variant.name,
            model_file_bytes(variant.graph, infos[variant.name]),
            infos[variant.name],
            _compare_with_fp32(variant.name, last),
            last.split.describe(),
        )
        for variant in measured.variants
    )


def _with_confidence(
    variant: ExportVariant, on_calibration: SplitMeasurement, temperature: float | None, threshold: float | None
) -> ModelInfo:
    logits = on_calibration.logits[variant.name]
    temperature = temperature or fit_temperature(logits, on_calibration.split.labels)
    if threshold is None:
        threshold = fit_threshold(logits, temperature)
    info = _with_figures(variant.info, on_calibration, variant.name)
    return replace(info, temperature=temperature, threshold=threshold)


def _with_figures(info: ModelInfo, measurement: SplitMeasurement, name: str) -> ModelInfo:
    figures: Mapping[str, object] = measurement.figures[name]
    return replace(info, evaluation={**info.evaluation, measurement.split.name: figures})


def _compare_with_fp32(name: str, measurement: SplitMeasurement) -> Comparison | None:
    return None if name == "fp32" else Comparison.of(measurement.logits[name], measurement.logits["fp32"])
