"""Stage 8: write the model files and the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.files.output_files import model_file_name, write_together
from export.stages.finish import FinishedModel
from export.verification.comparison import Comparison
from runtime.inference.model_file import ModelInfo


@dataclass(frozen=True)
class ExportedModel:
    """A model file that was written, and what was measured of it."""

    path: Path
    info: ModelInfo
    """Its metadata. ``info.evaluation`` holds the accuracy for each split, in percent."""
    size: int
    """In bytes."""
    comparison: Comparison | None
    """With FP32, on the split that was measured last. None for FP32 itself."""
    measured_on: str
    """That split, for example ``test (1,020 of 6,149 images)``."""


def write(finished: Sequence[FinishedModel], output: Path) -> list[ExportedModel]:
    """Write all files into the folder ``output``, or none if the disk is full."""
    names = {model.name: model_file_name(model.info, model.name) for model in finished}
    write_together(output, {names[model.name]: model.content for model in finished})
    return [
        ExportedModel(output / names[model.name], model.info, len(model.content), model.comparison, model.measured_on)
        for model in finished
    ]
