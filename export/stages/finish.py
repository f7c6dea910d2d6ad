"""Stage 7: fit temperature and cuts, measure on the evaluation split, and make the bytes of the model files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from export.confidence.cuts import SHARE_NAMED_STRICT, expected_share, fit_cuts, named
from export.confidence.temperature import fit_temperature
from export.files.model_metadata import with_confidence_values
from export.graph.onnx_files import model_file_bytes
from export.stages.load import ExportInputs
from export.stages.measure import MeasuredVariants, SplitMeasurement, measure_split
from export.stages.quantize import ExportVariant
from export.verification.comparison import Comparison
from export.verification.evaluation import named_figures
from runtime.inference.model_file import Cuts, ModelInfo


@dataclass(frozen=True)
class GivenConfidence:
    """What the user gives instead of having it fitted on the calibration photographs."""

    temperature: float | None = None
    threshold: float | None = None
    twin: ModelInfo | None = None
    """The metadata of a model file of the same recipe, trained without the calibration photographs. Temperature, cuts
    and expected shares are taken from it."""


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


def finish(measured: MeasuredVariants, inputs: ExportInputs, given: GivenConfidence) -> tuple[FinishedModel, ...]:
    """Complete the metadata of all variants and serialize them.

    All files are complete before the first one is written, so a failure writes nothing.

    Args:
        measured: the variants on the calibration photographs. Its sessions are closed.
        inputs: of the export.
        given: what is not fitted on the calibration photographs.
    """
    infos = {variant.name: _with_confidence(variant, measured.on_calibration, given) for variant in measured.variants}
    infos = _with_figures(infos, measured.on_calibration)
    last = measured.on_calibration
    if inputs.evaluation is not None:
        last = measure_split(measured.sessions, inputs.evaluation, inputs)
        infos = _with_figures(infos, last)
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


def _with_confidence(variant: ExportVariant, on_calibration: SplitMeasurement, given: GivenConfidence) -> ModelInfo:
    info, outputs = variant.info, on_calibration.outputs[variant.name]
    if given.twin is not None:
        temperature = given.twin.temperature
        cuts = given.twin.cuts
        strict: Cuts | None = given.twin.strict
        share: dict[str, Any] = given.twin.familiarity
    else:
        temperature = given.temperature or fit_temperature(outputs.logits, on_calibration.split.labels)
        cuts = fit_cuts(outputs, temperature)
        strict = fit_cuts(outputs, temperature, SHARE_NAMED_STRICT)
        number = 1 if outputs.familiarity is None else 2
        count = int(named(outputs, temperature, cuts).sum())
        share = expected_share(count, len(on_calibration.split), cuts=number).to_metadata()
        share["fitted_on"] = on_calibration.split.name
    fitted = replace(
        info,
        temperature=temperature,
        threshold=cuts.probability,
        familiarity_threshold=cuts.familiarity,
        strict=strict,
        familiarity=share | info.familiarity,
    )
    return with_confidence_values(fitted, temperature=given.temperature, threshold=given.threshold)


def _with_figures(infos: Mapping[str, ModelInfo], measurement: SplitMeasurement) -> dict[str, ModelInfo]:
    """Add the figures of one split to the metadata of all variants."""
    completed = {}
    for name, info in infos.items():
        figures: dict[str, Any] = {
            **measurement.figures[name],
            **named_figures(measurement.outputs[name], info, measurement.split),
        }
        if name != "fp32":
            figures["same_verdict_as_fp32"] = measurement.same_verdicts(name, infos)
        completed[name] = replace(info, evaluation={**info.evaluation, measurement.split.name: figures})
    return completed


def _compare_with_fp32(name: str, measurement: SplitMeasurement) -> Comparison | None:
    if name == "fp32":
        return None
    return Comparison.of(measurement.outputs[name].logits, measurement.outputs["fp32"].logits)
