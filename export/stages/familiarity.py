"""Stage 3: fit the class distance, which tells photographs that are not like any flower the network knows."""

from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from export.confidence.class_distance import ClassDistance, fit_class_distance
from export.errors import ExportError
from export.stages.load import BATCH, ExportInputs
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.photo_network import PhotoNetwork
from finetune.network.stages import HEAD
from runtime.inference.model_file import ModelInfo


def fit_familiarity(inputs: ExportInputs, twin: ModelInfo | None) -> ClassDistance:
    """Fit the distance on the training photographs, and its scale on the calibration photographs.

    Photographs that the network was trained on are nearer to their class mean than new ones are. So the scale is the
    median distance of the calibration photographs, which are new to the network; or that of ``twin``.

    Args:
        inputs: of the export.
        twin: the metadata of a model file of the same recipe that was trained without the calibration photographs.

    Raises:
        ExportError: ``twin`` has no familiarity.
    """
    network = inputs.checkpoint.network()
    features, _ = _run(network, inputs.training, inputs)
    distance = fit_class_distance(features, inputs.training.labels, len(inputs.checkpoint.classes))
    if twin is None:
        return replace(distance, scale=max(1e-6, float(np.median(distance.distances(*_run_new(network, inputs))))))
    scale = twin.familiarity.get("scale")
    if not isinstance(scale, int | float) or not 0 < scale < np.inf:
        raise ExportError("the file of --confidence-of has no familiarity; export it again with this version")
    return replace(distance, scale=float(scale))


def _run_new(network: PhotoNetwork, inputs: ExportInputs) -> tuple[np.ndarray, np.ndarray]:
    features, logits = _run(network, inputs.calibration, inputs)
    return features, logits.argmax(axis=1)


def _run(network: PhotoNetwork, split: Split, inputs: ExportInputs) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the logits of all photographs of a split."""
    features, logits = [], []
    progress = tqdm(total=len(split), desc=f"features, {split.name}", unit="img", disable=None)
    with torch.inference_mode(), progress as bar:
        for images in photo_batches(split.paths, inputs.checkpoint.preprocessing, BATCH):
            features.append(network.run_stages(torch.from_numpy(images), 0, HEAD))
            logits.append(network(features[-1], first_stage=HEAD))
            bar.update(len(images))
    return torch.cat(features).numpy(), torch.cat(logits).numpy()
