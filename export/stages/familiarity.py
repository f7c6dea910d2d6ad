"""Stage 3: fit the class distance, which tells photographs that are not like any flower the network knows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from export.confidence.class_distance import ClassDistance, fit_class_distance
from export.graph.byte_input import with_byte_input
from export.graph.familiarity_output import with_features
from export.graph.networks import OnnxNetwork
from export.stages.float_network import FloatNetwork
from export.stages.load import ExportInputs
from export.verification.evaluation import batches_with_progress
from finetune.data.split import Split
from runtime.inference.model_file import ModelInfo


def fit_familiarity(
    inputs: ExportInputs, network: FloatNetwork, twin: ModelInfo | None, report: Callable[[str], None]
) -> ClassDistance:
    """Fit the distance on the training photographs, and its scale on the calibration photographs.

    Photographs that the network was trained on are nearer to their class mean than new ones are. So the scale is the
    median distance of the calibration photographs, which are new to the network; or that of ``twin``.

    Args:
        inputs: of the export.
        network: the float graph.
        twin: the metadata of a model file of the same recipe that was trained without the calibration photographs; it
            has a familiarity.
        report: receives a line.
    """
    with_both = OnnxNetwork(with_features(with_byte_input(network.core)))
    training = inputs.training
    features, _ = _run(with_both, training, inputs)
    distance = fit_class_distance(features, training.labels, len(inputs.checkpoint.classes))
    report(f"features of {training.describe()}: {len(distance.precisions)} directions for the familiarity")
    if twin is None:
        features, logits = _run(with_both, inputs.calibration, inputs)
        return replace(distance, scale=max(1e-6, float(np.median(distance.distances(features, logits.argmax(axis=1))))))
    return replace(distance, scale=float(twin.familiarity["scale"]))


def _run(network: OnnxNetwork, split: Split, inputs: ExportInputs) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the logits of all photographs of a split."""
    features, logits = [], []
    for images in batches_with_progress(split, inputs.checkpoint.preprocessing, "features"):
        batch_features, batch_logits = network.features(images)
        features.append(batch_features)
        logits.append(batch_logits)
    return np.concatenate(features), np.concatenate(logits)
