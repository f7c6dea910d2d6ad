"""The check of a mobile bundle: opened from its files only, it must answer like the runtime."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tqdm import tqdm

from export.errors import ExportError
from export.mobile.photo_graph import INDICES, NAMES, PHOTO, PROBABILITIES, UNCERTAIN, VERDICT, VERDICTS
from export.verification.ort_reference import OrtReference
from finetune.data.split import Split
from runtime.answers.answer import Answer, AnswerRule, Verdict
from runtime.inference.cpu_threads import cpu_threads
from runtime.inference.int8_overflow import int8_products_overflow
from runtime.inference.model_file import FAMILIARITY
from runtime.inference.session import Session, session_options
from runtime.photos.open_photo import Photo, open_photo

MINIMUM_AGREEMENT = 0.99
"""Share of pictures whose top-1, and of photographs whose verdict, must be that of `FlowerClassifier`."""
DRAWN_PICTURES = 16
TIE_MARGIN = 0.1
"""Two classes whose probabilities differ by less are a tie. On drawn pictures, where the model is uncertain, they count
as the same top-1; of few photographs, one may be a tie."""
LABELS = "labels.txt"


@dataclass(frozen=True)
class BundleAnswer:
    """The outputs of a bundle's model for one photo, as in `export.mobile.photo_graph.build_photo_graph`."""

    names: list[str]
    probabilities: np.ndarray
    indices: np.ndarray
    uncertain: bool
    verdict: Verdict
    familiarity: float | None
    """None if the model has none."""


class BundleModel:
    """A model of a bundle, opened as an app opens it: from the ORT file, without any other file.

    Args:
        path: an ORT file of the bundle.
        threads: for one operation; by default, the cores that this process may use.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = session_options(cpu_threads(threads))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, photo: np.ndarray) -> BundleAnswer:
        """Classify ``photo``: uint8, RGB, of the shape that the model takes."""
        outputs = dict(zip(self._outputs, self._session.run(self._outputs, {PHOTO: photo}), strict=True))
        return BundleAnswer(
            [str(name) for name in outputs[NAMES]],
            outputs[PROBABILITIES],
            outputs[INDICES],
            bool(outputs[UNCERTAIN][0]),
            VERDICTS[outputs[VERDICT][0]],
            float(outputs[FAMILIARITY][0]) if FAMILIARITY in outputs else None,
        )

    def signature(self) -> dict[str, list[dict[str, Any]]]:
        """Return the name, type and shape of each input and output, as the file defines them."""
        return {
            side: [
                {"name": value.name, "type": value.type.removeprefix("tensor(").removesuffix(")"), "shape": value.shape}
                for value in values
            ]
            for side, values in (("inputs", self._session.get_inputs()), ("outputs", self._session.get_outputs()))
        }


@dataclass(frozen=True)
class BundleComparison:
    """The answers of a bundle's model compared with those of `FlowerClassifier` on the same pictures."""

    images: int
    agreement: float
    """Share of pictures with the same top-1, 0 to 1."""
    worst_difference: float
    """Largest difference of a probability, among the classes in the bundle's answers."""
    same_verdict: float
    """Share of pictures with the same verdict, 0 to 1."""
    worst_familiarity_difference: float
    """Largest difference of the familiarity; 0 if the model has none."""
    top1: float | None
    """Share of photographs whose top-1 is their label, 0 to 1; None for drawn pictures."""
    expected_top1: float | None
    """The same share for `FlowerClassifier`."""
    ties: int = 0
    """Photographs with another top-1 that are a tie."""

    def to_dict(self, split: Split | None) -> dict[str, Any]:
        """Return the comparison for the manifest; shares are in percent."""
        values = {
            "photographs": split.describe() if split else None,
            "images": self.images,
            "same_top1_as_flower_infer": round(100 * self.agreement, 2),
            "worst_probability_difference": round(self.worst_difference, 4),
            "same_verdict_as_flower_infer": round(100 * self.same_verdict, 2),
            "worst_familiarity_difference": round(self.worst_familiarity_difference, 4),
        }
        if self.top1 is None or self.expected_top1 is None:
            return values
        return {**values, "top1": round(100 * self.top1, 2), "top1_of_flower_infer": round(100 * self.expected_top1, 2)}


@dataclass
class _Counts:
    """What is counted for one model while the pictures are classified."""

    same: list[bool] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)
    same_verdict: list[bool] = field(default_factory=list)
    ties: int = 0
    worst_difference: float = 0.0
    worst_familiarity_difference: float = 0.0

    def add(self, answer: BundleAnswer, reference: Answer, label: int | None) -> None:
        """Count one answer.

        Args:
            answer: of the bundle's model.
            reference: the answer of `FlowerClassifier` with all classes.
            label: the class of a photograph; None for a drawn picture.
        """
        expected = np.zeros(len(reference))
        for prediction in reference:
            expected[prediction.index] = prediction.probability
        self.same_verdict.append(answer.verdict == reference.verdict)
        if answer.familiarity is not None and reference.familiarity is not None:
            strange = abs(answer.familiarity - reference.familiarity)
            self.worst_familiarity_difference = max(self.worst_familiarity_difference, strange)
        difference = float(np.abs(answer.probabilities - expected[answer.indices]).max())
        self.worst_difference = max(self.worst_difference, difference)
        best = int(answer.indices[0])
        same = best == int(expected.argmax())
        is_tie = not same and bool(expected.max() - expected[best] <= TIE_MARGIN and difference <= TIE_MARGIN)
        self.ties += is_tie and label is not None
        self.same.append(same or (is_tie and label is None))
        if label is not None:
            self.correct.append(best == label)


def check_bundle(
    folder: Path, any_size: Mapping[str, bool], model: Path, split: Split | None
) -> dict[str, BundleComparison]:
    """Compare each model of the bundle in ``folder`` with the model file that the bundle was made from.

    The comparison is with `FlowerClassifier`. Where INT8 overflows in ORT format, it is with `OrtReference` instead.

    Args:
        folder: the bundle. Nothing outside it is used.
        any_size: name of an ORT file → whether it takes photos of any size.
        model: the model file.
        split: photographs, which are decoded and turned upright here, as an app does. With None, drawn pictures.

    Returns:
        Name of an ORT file → its comparison.

    Raises:
        ExportError: a model has another top-1 or, on photographs, another verdict too often; or its names are not those
            of `LABELS`.
    """
    models = {name: BundleModel(folder / name) for name in any_size}
    session = Session(model, device="cpu")
    info, rule = session.info, AnswerRule(session.info)
    ort_reference = OrtReference(model) if int8_products_overflow() else session
    labels = (folder / LABELS).read_text(encoding="utf-8").splitlines()
    photos: Iterable[Photo] = split.paths if split else draw_pictures()
    total = len(split) if split else DRAWN_PICTURES
    counts = {name: _Counts() for name in models}
    expected_correct: list[bool] = []
    for position, photo in enumerate(tqdm(photos, desc="bundle, photographs", total=total, unit="img", disable=None)):
        upright = np.asarray(open_photo(photo))
        square = info.preprocessing(photo)[np.newaxis]
        label = int(split.labels[position]) if split else None
        (expected,) = rule.answers(session.run(square), len(info.classes))
        expected_correct.append(expected.best.index == label)
        if ort_reference is not session:
            (expected,) = rule.answers(ort_reference.run(square), len(info.classes))
        for name, bundle_model in models.items():
            answer = bundle_model(upright if any_size[name] else square)
            if answer.names != [labels[index] for index in answer.indices]:
                raise ExportError(f"{name}: its names are not those of {LABELS}; nothing was written")
            counts[name].add(answer, expected, label)
    comparisons = {
        name: BundleComparison(
            images=total,
            agreement=float(np.mean(count.same)),
            worst_difference=count.worst_difference,
            same_verdict=float(np.mean(count.same_verdict)),
            worst_familiarity_difference=count.worst_familiarity_difference,
            top1=float(np.mean(count.correct)) if split else None,
            expected_top1=float(np.mean(expected_correct)) if split else None,
            ties=count.ties,
        )
        for name, count in counts.items()
    }
    for name, comparison in comparisons.items():
        _check_agreement(name, "top-1", comparison.agreement, comparison, "photographs" if split else "drawn pictures")
        if split:  # the drawn pictures are near no class, so their verdicts can be near a cut
            _check_agreement(name, "verdict", comparison.same_verdict, comparison, "photographs")
    return comparisons


def _check_agreement(name: str, what: str, share: float, comparison: BundleComparison, pictures: str) -> None:
    # If there are few photographs, one may differ that is near a cut, or between two names.
    different = round((1 - share) * comparison.images)
    if share >= MINIMUM_AGREEMENT or (different <= 1 and (what == "verdict" or different == comparison.ties)):
        return
    raise ExportError(
        f"{name}: the same {what} as flower-infer on {share:.2%} of {comparison.images} {pictures}, "
        f"less than {MINIMUM_AGREEMENT:.0%}; nothing was written; try another version of onnxruntime"
    )


def draw_pictures() -> list[np.ndarray]:
    """Draw smooth patterns of colours in several sizes: they show a wrong crop or channel order.

    Returns:
        `DRAWN_PICTURES` arrays, uint8, shape (height, width, 3); the same ones each time.
    """
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(DRAWN_PICTURES):
        height, width = random.integers(100, 450, 2)
        waves = random.uniform(-1, 1, (3, 4, 4))
        y, x = np.linspace(0, np.pi, height), np.linspace(0, np.pi, width)
        rows, columns = (np.cos(np.outer(side, np.arange(4))) for side in (y, x))
        pattern = (rows @ waves @ columns.T).transpose(1, 2, 0)
        pictures.append(np.clip(128 + 60 * pattern, 0, 255).astype(np.uint8))
    return pictures
