"""The check of a bundle: opened from its files alone, it must answer as `runtime.FlowerClassifier` does."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tqdm import tqdm

from export.errors import ExportError
from export.mobile.photo_graph import INDICES, NAMES, PHOTO, PROBABILITIES, UNCERTAIN
from finetune.data.split import Split
from runtime.classifier import FlowerClassifier
from runtime.inference.cpu_threads import default_threads
from runtime.inference.session import session_options
from runtime.photos.open_photo import Photo, open_photo

LEAST_AGREEMENT = 0.99
"""Share of photographs on which the best name must be that of `FlowerClassifier`."""
DRAWN = 16
NEAR = 0.1
"""On drawn pictures, which the model is unsure of: how far probabilities may differ where the best names do."""
LABELS = "labels.txt"


@dataclass(frozen=True)
class BundleAnswer:
    """What a bundle's model says of one photo: its four outputs."""

    names: list[str]
    probabilities: np.ndarray
    indices: np.ndarray
    uncertain: bool


class BundleModel:
    """A model of a bundle, opened as an app does: from the file, with nothing else.

    Args:
        path: an ORT file of the bundle.
        threads: for one operation; by default, the cores this process may use.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = session_options(threads or default_threads())
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, photo: np.ndarray) -> BundleAnswer:
        """Answer for ``photo``: uint8 RGB of the shape that the model takes."""
        found = self._session.run([NAMES, PROBABILITIES, INDICES, UNCERTAIN], {PHOTO: photo})
        names, probabilities, indices, uncertain = found
        return BundleAnswer([str(name) for name in names], probabilities, indices, bool(uncertain[0]))

    def signature(self) -> dict[str, list[dict[str, Any]]]:
        """Names, types and shapes of its inputs and outputs, as the file has them."""
        return {
            side: [{"name": value.name, "type": value.type[7:-1], "shape": value.shape} for value in values]
            for side, values in (("inputs", self._session.get_inputs()), ("outputs", self._session.get_outputs()))
        }


@dataclass(frozen=True)
class BundleComparison:
    """What a bundle's model was found to do, against `FlowerClassifier` on the same pictures."""

    images: int
    agreement: float
    """Share of pictures with the same best name."""
    worst_difference: float
    """Largest difference of a probability among those that the bundle gives."""
    top1: float | None
    """Share of photographs whose best name is their label; None for drawn pictures."""
    expected_top1: float | None
    """The same of `FlowerClassifier`."""

    def to_dict(self, split: Split | None) -> dict[str, Any]:
        """For the manifest, in percent."""
        found = {
            "photographs": split.describe() if split else None,
            "images": self.images,
            "same_top1_as_flower_infer": round(100 * self.agreement, 2),
            "worst_probability_difference": round(self.worst_difference, 4),
        }
        if self.top1 is None or self.expected_top1 is None:
            return found
        return {**found, "top1": round(100 * self.top1, 2), "top1_of_flower_infer": round(100 * self.expected_top1, 2)}


def check_bundle(
    folder: Path, models: dict[str, bool], classifier: FlowerClassifier, split: Split | None
) -> list[BundleComparison]:
    """Compare each model of the bundle in ``folder`` with ``classifier``, on ``split`` or else on drawn pictures.

    Args:
        folder: the bundle. Only its files are used.
        models: name of an ORT file → whether it takes photos of any size.
        classifier: of the model file that the bundle was made from.
        split: photographs; they are read and made upright here, as an app does, and resized in the graph.

    Raises:
        ExportError: a model answers differently, or its names are not those of the bundle's list.
    """
    opened = {name: BundleModel(folder / name) for name in models}
    labels = (folder / LABELS).read_text(encoding="utf-8").splitlines()
    photos: Iterable[Photo] = split.paths if split else drawn_pictures()
    same: dict[str, list[bool]] = {name: [] for name in models}
    hits: dict[str, list[bool]] = {name: [] for name in models}
    expected_hits: list[bool] = []
    worst = dict.fromkeys(models, 0.0)
    bar = tqdm(photos, desc="bundle, photographs", total=len(split) if split else DRAWN, unit="img", disable=None)
    for position, photo in enumerate(bar):
        expected = classifier.probabilities(photo)
        upright = np.asarray(open_photo(photo))
        square = classifier.info.preprocessing(photo)[np.newaxis]
        if split:
            expected_hits.append(int(expected.argmax()) == int(split.labels[position]))
        for name, any_size in models.items():
            answer = opened[name](upright if any_size else square)
            if answer.names != [labels[index] for index in answer.indices]:
                raise ExportError(f"{name}: its names are not those of {LABELS}; nothing was written")
            difference = np.abs(answer.probabilities - expected[answer.indices])
            worst[name] = max(worst[name], float(difference.max()))
            best = int(answer.indices[0])
            near = split is None and bool(expected.max() - expected[best] <= NEAR and difference.max() <= NEAR)
            same[name].append(best == int(expected.argmax()) or near)
            if split:
                hits[name].append(best == int(split.labels[position]))
    checks = []
    for name in models:
        top1, expected_top1 = (float(np.mean(own)) if split else None for own in (hits[name], expected_hits))
        check = BundleComparison(len(same[name]), float(np.mean(same[name])), worst[name], top1, expected_top1)
        if not check.agreement >= LEAST_AGREEMENT:
            raise ExportError(
                f"{name}: the same best name as flower-infer on {check.agreement:.2%} of {check.images} "
                f"{'photographs' if split else 'drawn pictures'}, less than {LEAST_AGREEMENT:.0%}; "
                "nothing was written; try another version of onnxruntime"
            )
        checks.append(check)
    return checks


def drawn_pictures() -> list[np.ndarray]:
    """Coloured clouds of many sizes, uint8 (height, width, 3): enough to tell a wrong crop or channel order."""
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(DRAWN):
        height, width = random.integers(100, 450, 2)
        waves = random.uniform(-1, 1, (3, 4, 4))
        y, x = np.linspace(0, np.pi, height), np.linspace(0, np.pi, width)
        rows, columns = (np.cos(np.outer(side, np.arange(4))) for side in (y, x))
        cloud = (rows @ waves @ columns.T).transpose(1, 2, 0)
        pictures.append(np.clip(128 + 60 * cloud, 0, 255).astype(np.uint8))
    return pictures
