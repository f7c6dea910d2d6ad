"""Which answers are delivered."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any

from runtime.errors import FlowerError
from runtime.species.labels import comparable


class Conditions:
    """Decides which answers are delivered. Threads may share it.

    Args:
        everything: deliver all verdicts; otherwise only names.
        min_probability: the smallest probability of the first prediction, 0 to 1; None for no bound.
        only: the labels whose answers are delivered; None for all. Upper and lower case are the same. An answer whose
            verdict is ``unfamiliar`` has no species, so it is not delivered then.
        cooldown_s: seconds after a delivery in which the same species is not delivered again. With ``everything``, each
            verdict has a cooldown of its own.
        clock: monotonic time in seconds.

    Raises:
        FlowerError: a value is outside its range, or ``only`` is empty.
    """

    def __init__(
        self,
        *,
        everything: bool = False,
        min_probability: float | None = None,
        only: Collection[str] | None = None,
        cooldown_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if min_probability is not None and not 0 <= min_probability <= 1:
            raise FlowerError(f"the smallest probability of a delivery must be 0 to 1, not {min_probability!r}")
        if not (math.isfinite(cooldown_s) and cooldown_s >= 0):
            raise FlowerError(f"the pause between deliveries must be 0 seconds or more, not {cooldown_s!r}")
        if isinstance(only, str) or (only is not None and not only):
            raise FlowerError("the names to deliver must be a list with at least one name")
        self._everything = everything
        self._min_probability = 0.0 if min_probability is None else min_probability
        self._only = None if only is None else {comparable(label) for label in only}
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._delivered: dict[tuple[str, str], float] = {}
        """Verdict and label → the time of the last delivery."""
        self._lock = Lock()

    def accept(self, answer: Mapping[str, Any]) -> bool:
        """Return whether an answer is to be delivered. If so, the cooldown of its species begins.

        Args:
            answer: JSON values as `runtime.answers.answer.answer_to_dict` gives them. One without predictions, such as
                the entry of a photo that cannot be read, is not delivered.
        """
        if not answer.get("predictions"):
            return False
        verdict, best = str(answer["verdict"]), answer["predictions"][0]
        label = "" if verdict == "unfamiliar" else comparable(str(best["label"]))
        if verdict != "name" and not self._everything:
            return False
        if best["probability"] < self._min_probability or (self._only is not None and label not in self._only):
            return False
        with self._lock:
            now = self._clock()
            last = self._delivered.get((verdict, label))
            if last is not None and now - last < self._cooldown_s:
                return False
            self._delivered[verdict, label] = now
            return True
