"""Stage 5: open each variant as the runtime opens it, and measure it on the calibration photographs.

Temperature and the accuracy limits are choices, and choices are made on validation photographs.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.graph.onnx_files import model_file_bytes
from export.stages.load import ExportInputs
from export.stages.quantize import ExportVariant
from export.verification.evaluation import compare_with_fp32, run_split, same_verdicts, summary
from finetune.data.split import Split
from runtime.files.atomic import write_bytes
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Outputs, Session


@dataclass(frozen=True)
class SplitMeasurement:
    """All variants on one split."""

    split: Split
    outputs: Mapping[str, Outputs]
    """Name of the variant → logits and familiarity of all photographs."""
    figures: Mapping[str, dict[str, Any]]
    """Name of the variant → what its file records for this split, without the verdicts."""

    def same_verdicts(self, name: str, infos: Mapping[str, ModelInfo]) -> float:
        """Return on how many photographs a variant gives the verdict of FP32, in percent, each with its own cuts."""
        return same_verdicts(self.outputs[name], infos[name], self.outputs["fp32"], infos["fp32"])


@dataclass(frozen=True)
class MeasuredVariants:
    """The variants with their accuracy on the calibration photographs."""

    variants: Sequence[ExportVariant]
    sessions: dict[str, Session]
    """Name of the variant → opened model. The finish stage empties it, to release the memory."""
    on_calibration: SplitMeasurement


def measure(variants: Sequence[ExportVariant], inputs: ExportInputs) -> MeasuredVariants:
    """Open the variants and run them on the calibration photographs.

    Raises:
        ModelError: onnxruntime cannot open a variant, or its logits are not finite.
    """
    sessions = {variant.name: _open(variant) for variant in variants}
    return MeasuredVariants(variants, sessions, measure_split(sessions, inputs.calibration, inputs))


def measure_split(sessions: Mapping[str, Session], split: Split, inputs: ExportInputs) -> SplitMeasurement:
    """Run all ``sessions`` on ``split`` and compare them with the session ``fp32``."""
    outputs = run_split(sessions, split, inputs.checkpoint.preprocessing)
    figures = {}
    for name in sessions:
        figures[name] = summary(outputs[name].logits, split)
        if inputs.was_trained_on(split):
            figures[name]["trained_on"] = True
        if name != "fp32":
            figures[name] |= compare_with_fp32(outputs[name].logits, outputs["fp32"].logits, split)
    return SplitMeasurement(split, outputs, figures)


def _open(variant: ExportVariant) -> Session:
    """The variant in the runtime, read from a file like the one that will be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_bytes(path, model_file_bytes(variant.graph, variant.info))
        return Session(path, device="cpu")
