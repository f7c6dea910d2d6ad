"""How well each score tells photographs of known flowers from others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from benchmarks.baselines.unfamiliar_scores import (
    ClassMeans,
    NearestNeighbours,
    VirtualLogit,
    accepted_unknown,
    auroc,
    energy,
)
from benchmarks.core.intervals import wilson
from benchmarks.measurements.unfamiliar.photo_sets import Kind, PhotoSet, values_of_kinds
from export.confidence.cuts import best_probabilities
from export.stages.load import load
from export.verification.evaluation import batches_with_progress
from finetune.data.split import Split
from finetune.network.photo_network import PhotoNetwork
from finetune.network.stages import HEAD
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Outputs
from runtime.photos.preprocessing import Preprocessing


@dataclass(frozen=True)
class Score:
    """One score of all photographs."""

    name: str
    network: str
    """What computed it: ``model file`` or ``checkpoint``."""
    values: Sequence[np.ndarray]
    """For each set, float, shape (images,); the higher, the more familiar."""


class FittedScore(Protocol):
    """A score of `benchmarks.baselines.unfamiliar_scores` that was fitted on training photographs."""

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the score of each photograph."""


def model_file_scores(outputs: Sequence[Outputs], temperature: float) -> list[Score]:
    """Return the scores that need only the outputs of a model file.

    Args:
        outputs: for each set.
        temperature: of the model.
    """
    source = "model file"
    scores = [
        Score("softmax maximum", source, [best_probabilities(each, temperature) for each in outputs]),
        Score("energy", source, [energy(each.logits) for each in outputs]),
    ]
    familiarity = [each.familiarity for each in outputs if each.familiarity is not None]
    return [*scores, Score("familiarity", source, familiarity)] if familiarity else scores


def checkpoint_scores(
    checkpoint: Path, data: Path, info: ModelInfo, sets: Sequence[PhotoSet]
) -> tuple[list[Score], str]:
    """Return the scores that need features, and a description of the photographs that they are fitted on.

    Args:
        checkpoint: that the model file was made from.
        data: the data set that it was trained on.
        info: of the model file.
        sets: the photographs to score.

    Raises:
        FlowerError: the model file was made from another checkpoint, or a photograph cannot be read.
    """
    recorded = info.training.get("checkpoint_sha256")
    if recorded and recorded != file_digest(checkpoint):
        raise FlowerError(
            f"{checkpoint}: the model file was not made from this checkpoint; give the one it was made from"
        )
    inputs = load(checkpoint, data, calibration_images=None, evaluate=None, evaluation_images=None)
    network, preprocessing = inputs.checkpoint.network(), inputs.checkpoint.preprocessing
    training = _features(network, inputs.training, preprocessing)
    weight, bias = (part.detach().numpy() for part in (network.resnet.fc.weight, network.resnet.fc.bias))
    methods: dict[str, FittedScore] = {
        "5 nearest neighbours": NearestNeighbours.fit(training),
        "ViM": VirtualLogit.fit(training, weight, bias),
        "Mahalanobis, all directions": ClassMeans.fit(training, inputs.training.labels),
    }
    values: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    for photos in sets:
        features = _features(network, photos.photographs, preprocessing)
        for name, method in methods.items():
            values[name].append(method.score(features))
    return [Score(name, "checkpoint", each) for name, each in values.items()], inputs.training.describe()


def score_figures(score: Score, sets: Sequence[PhotoSet]) -> dict[str, Any]:
    """Return AUROC, and the false positives at 95 % true positives, for each kind of unknown photographs.

    The known photographs are those of the test.
    """
    known = values_of_kinds(["test"], sets, score.values)
    figures: dict[str, Any] = {"name": score.name, "network": score.network}
    kinds: tuple[Kind, ...] = ("without", "other")
    for kind in kinds:
        unknown = values_of_kinds([kind], sets, score.values)
        if len(unknown):
            accepted = accepted_unknown(known, unknown)
            figures[kind] = {
                "auroc": auroc(known, unknown),
                "false_positives": accepted / len(unknown),
                "false_positives_interval": wilson(accepted, len(unknown)),
            }
    return figures


def _features(network: PhotoNetwork, split: Split, preprocessing: Preprocessing) -> np.ndarray:
    """Return the features of all photographs: float32, shape (images, features)."""
    with torch.inference_mode():
        parts = [
            network.run_stages(torch.from_numpy(images), 0, HEAD).numpy()
            for images in batches_with_progress(split, preprocessing, "features")
        ]
    return np.concatenate(parts)
