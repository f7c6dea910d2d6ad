"""The answer for one photo: its most probable classes, and whether the best one is a name to rely on."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, overload

import numpy as np

from runtime.errors import FlowerError, ModelError
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Outputs
from runtime.species.labels import comparable

SMALLEST_SHARE = 0.05
"""If only some names can occur and they have together less than this probability, the photo shows none of them."""
Verdict = Literal["name", "between", "unfamiliar"]
"""``name``: the best class is the answer. ``between``: a flower, but two classes are near each other.
``unfamiliar``: the photo is not like any flower that the model knows, or not like any of those that can occur."""
SHOWN = 5
"""Most unknown names in a message."""


@dataclass(frozen=True)
class Prediction:
    """One class with its probability."""

    label: str
    """The name of the class, for example ``sunflower``."""
    index: int
    """The position of the class in `FlowerClassifier.classes`."""
    probability: float
    """0 to 1: the softmax of the logits divided by the model's temperature."""


@dataclass(frozen=True)
class Answer(Sequence[Prediction]):
    """The most probable classes of one photo, the most probable first. ``answer[0]`` is `best`."""

    predictions: tuple[Prediction, ...]
    verdict: Verdict
    familiarity: float | None = None
    """0 to 1: how much the photo is like the training photographs of the class with the largest logit. About 0.5 for a
    typical new photograph of a known flower. None if the model file has no familiarity."""
    second: Prediction | None = None
    """The second most probable class, also if only one was asked for. None if there is only one class."""

    @property
    def best(self) -> Prediction:
        """The most probable class."""
        return self.predictions[0]

    @property
    def uncertain(self) -> bool:
        """Whether the verdict is not a name."""
        return self.verdict != "name"

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...

    def __getitem__(self, index: int | slice) -> Prediction | Sequence[Prediction]:
        return self.predictions[index]

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)


class AnswerRule:
    """From the outputs of a network to answers.

    Args:
        info: of the model file: classes, temperature and cuts.
        min_probability: the probability below which an answer is no name, 0 to 1; None for the model's threshold.
        strict: use the model's strict cuts: fewer names, and fewer wrong ones.
        only: the names that can occur; None for all. The probabilities of these names add up to 1, and no other name
            is an answer. If they had less than `SMALLEST_SHARE` among all names, the verdict is ``unfamiliar``. Upper
            and lower case are the same.

    Raises:
        FlowerError: ``min_probability`` is outside 0 to 1, or ``only`` has no name or one that the model does not know.
        ModelError: the model file has no strict cuts.
    """

    def __init__(
        self,
        info: ModelInfo,
        *,
        min_probability: float | None = None,
        strict: bool = False,
        only: Collection[str] | None = None,
    ) -> None:
        cuts = info.strict if strict else info.cuts
        if cuts is None:
            raise ModelError(
                "the model file has no strict cuts, because it was made before version 0.3; use --min-probability P "
                "instead, or export it again"
            )
        if min_probability is not None and not (isinstance(min_probability, Real) and 0 <= min_probability <= 1):
            raise FlowerError(f"the smallest probability must be 0 to 1, not {min_probability!r}")
        self.info = info
        self.cuts = cuts if min_probability is None else replace(cuts, probability=min_probability)
        self._excluded = None if only is None else _excluded(info.classes, only)
        self._allowed = len(info.classes) if self._excluded is None else int((~self._excluded).sum())

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of every class, 0 for the names that cannot occur.

        Args:
            logits: float32, shape (batch, classes).

        Returns:
            float32, shape (batch, classes).
        """
        scaled = logits / np.float32(self.info.temperature)
        if self._excluded is not None:
            scaled = np.where(self._excluded, np.float32(-np.inf), scaled)
        return softmax(scaled)

    def answers(self, outputs: Outputs, top: int) -> list[Answer]:
        """Return an answer with the ``top`` most probable classes for each photo of a batch."""
        rows = self.probabilities(outputs.logits)
        verdicts = find_verdicts(rows.max(axis=1), outputs.familiarity, self.cuts)
        if self._excluded is not None:
            shares = softmax(outputs.logits / np.float32(self.info.temperature))[:, ~self._excluded].sum(axis=1)
            verdicts[shares < SMALLEST_SHARE] = "unfamiliar"
        familiarity = [None] * len(rows) if outputs.familiarity is None else outputs.familiarity.tolist()
        return [
            self._answer(row, verdict, familiar, top)
            for row, verdict, familiar in zip(rows, verdicts.tolist(), familiarity, strict=True)
        ]

    def _answer(self, probabilities: np.ndarray, verdict: Verdict, familiarity: float | None, top: int) -> Answer:
        # Of equal probabilities, the class with the lower index comes first.
        order = np.argsort(-probabilities, kind="stable")[: max(2, min(top, self._allowed))]
        ranked = [Prediction(self.info.classes[index], int(index), float(probabilities[index])) for index in order]
        second = ranked[1] if self._allowed > 1 else None
        return Answer(tuple(ranked[: min(top, self._allowed)]), verdict, familiarity, second)


def find_verdicts(probabilities: np.ndarray, familiarity: np.ndarray | None, cuts: Cuts) -> np.ndarray:
    """Return the `Verdict` of each photo: str, shape (batch,).

    Args:
        probabilities: of the most probable class of each photo: float32, shape (batch,).
        familiarity: float32, shape (batch,); None if the model file has none.
        cuts: the smallest values of a name. They are compared in float64, because numpy would round them to float32.
    """
    strange = np.False_ if familiarity is None else familiarity.astype(np.float64) < cuts.familiarity
    near = probabilities.astype(np.float64) < cuts.probability
    return np.where(strange, "unfamiliar", np.where(near, "between", "name"))


def check_top(top: int) -> None:
    """Raise `FlowerError` if ``top``, the number of classes in an answer, is no whole number from 1 up."""
    if not isinstance(top, Integral) or isinstance(top, bool) or top < 1:
        raise FlowerError(f"top must be a whole number from 1 up, not {top!r}")


def answer_to_dict(photo: str, answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values: the object that ``flower-infer --json`` prints and that a watch logs.

    Args:
        photo: its name, as `photo_name` takes it.
        answer: for the photo. Probabilities and the familiarity are rounded to six digits.
    """
    return {
        **photo_name(photo),
        "verdict": answer.verdict,
        "familiarity": None if answer.familiarity is None else round(answer.familiarity, 6),
        "uncertain": answer.uncertain,
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)} for p in answer.predictions
        ],
    }


def photo_name(photo: str) -> dict[str, str]:
    """Return the name of a photo as JSON values: ``photo``, and ``photo_bytes`` if the name is no valid text.

    A name on Linux is any bytes. What is no UTF-8 is ``�`` in ``photo``, and ``photo_bytes`` holds all bytes of the
    name in hexadecimal: ``os.fsdecode(bytes.fromhex(photo_bytes))`` is the path.
    """
    content = photo.encode("utf-8", "surrogateescape")
    readable = content.decode("utf-8", "replace")
    return {"photo": readable} if readable == photo else {"photo": readable, "photo_bytes": content.hex()}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis as float32. Subtracting the maximum first prevents an overflow."""
    exponentials: np.ndarray = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    normalized: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return normalized


def _excluded(classes: Sequence[str], only: Collection[str]) -> np.ndarray:
    """Return which classes are not in ``only``: bool, shape (classes,)."""
    if isinstance(only, str):
        raise FlowerError("only takes several names; put a single one into a list")
    if not all(isinstance(name, str) for name in only):
        raise FlowerError("only takes names, which are text")
    wanted = {comparable(name) for name in only}
    positions = {comparable(label): index for index, label in enumerate(classes)}
    unknown = [name for name in only if comparable(name) not in positions]
    if unknown:
        from difflib import get_close_matches  # here, because only a mistake needs it

        hints = [get_close_matches(comparable(name), positions, n=1) for name in unknown[:SHOWN]]
        shown = ", ".join(
            repr(name) + (f" (do you mean {classes[positions[near[0]]]!r}?)" if near else "")
            for name, near in zip(unknown, hints, strict=False)
        )
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise FlowerError(f"no names that the model knows: {shown}{more}; flower-infer --info --json lists all names")
    if not wanted:
        raise FlowerError("the list of names that can occur is empty; give at least one")
    return np.array([comparable(label) not in wanted for label in classes])
