"""One answer over several frames, which changes only when it has been another one for several frames."""

from collections import deque

import numpy as np

from runtime.answers.answer import Answer
from runtime.classifier import FlowerClassifier
from runtime.inference.session import Outputs


class SteadyAnswer:
    """Makes the reported answer from the outputs of frames.

    Each answer is that of the mean of the logits and of the mean familiarity of the last frames. What counts as the
    same answer is the name; all answers with the verdict ``between`` are the same, and so are all ``unfamiliar`` ones.

    Args:
        classifier: makes an answer from outputs.
        frames: in the mean, at most.
        hold: answers in a row that must be the same before they are reported; also for the first one.
        top: classes in an answer.
    """

    def __init__(self, classifier: FlowerClassifier, *, frames: int, hold: int, top: int) -> None:
        self._classifier, self._hold, self._top = classifier, hold, top
        self._outputs: deque[Outputs] = deque(maxlen=frames)
        self._candidate: tuple[str, int] | None = None
        self._count = 0
        self._reported: tuple[str, int] | None = None

    @property
    def frames(self) -> int:
        """The frames in the mean now."""
        return len(self._outputs)

    def add(self, outputs: Outputs) -> Answer | None:
        """Take the outputs of a frame, a batch of 1. Return the answer if the reported one changes, otherwise None."""
        self._outputs.append(outputs)
        answer = self._classifier.answer(mean_outputs(self._outputs), self._top)
        key = (answer.verdict, answer.best.index if answer.verdict == "name" else -1)
        self._count = self._count + 1 if key == self._candidate else 1
        self._candidate = key
        if key == self._reported or self._count < self._hold:
            return None
        self._reported = key
        return answer

    def forget(self) -> None:
        """Leave out the frames so far, which are too old. The reported answer stays until another one holds."""
        self._outputs.clear()
        self._candidate, self._count = None, 0


def mean_outputs(outputs: "deque[Outputs]") -> Outputs:
    """Return the mean of the outputs of one frame each, as a batch of 1."""
    logits = np.stack([each.logits for each in outputs]).mean(axis=0)
    familiarity = [each.familiarity for each in outputs if each.familiarity is not None]
    return Outputs(logits, np.stack(familiarity).mean(axis=0) if familiarity else None)
