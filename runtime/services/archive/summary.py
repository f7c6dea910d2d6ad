"""What a run over an archive did, in numbers and in words."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runtime.services.archive.row import Row


@dataclass
class Summary:
    """Counts the rows of a table while it is made."""

    started_s: float = field(default_factory=time.monotonic)
    answered: int = 0
    """Photos that this run answered, or that have an error."""
    known: int = 0
    """Photos that an earlier run answered and that have not changed."""
    removed: int = 0
    """Rows of an earlier run whose photos are not there any more."""
    repeated: int = 0
    """Of `answered`, those with the same bytes as another photo."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Verdict → photos."""
    errors: Counter[str] = field(default_factory=Counter)
    """Kind of error → photos."""
    passing: int = 0
    """Photos whose error may have passed by the next run."""
    on_count: Callable[[int], None] = lambda _: None
    """Is called with the number of photos that were counted."""

    @property
    def photos(self) -> int:
        """Rows of the table."""
        return self.answered + self.known

    def add(self, rows: Iterable[Row], *, repeated: int) -> None:
        """Count rows of this run.

        Args:
            rows: new ones.
            repeated: how many of them have the same bytes as another photo.
        """
        before = self.answered
        for row in rows:
            self.answered += 1
            self._count(row)
        self.repeated += repeated
        self.on_count(self.answered - before)

    def add_known(self, row: Row) -> None:
        """Count a row of an earlier run."""
        self.known += 1
        self._count(row)
        self.on_count(1)

    def _count(self, row: Row) -> None:
        if row.error_kind is not None:
            self.errors[row.error_kind] += 1
            self.passing += bool(row.passing)
        elif row.verdict is not None:
            self.verdicts[row.verdict] += 1

    def lines(self) -> list[str]:
        """Return the summary in words, without the names of photos."""
        seconds = time.monotonic() - self.started_s
        total = sum(self.verdicts.values())
        lines = [f"{_photos(self.photos)}: {self.answered:,} in this run, {_duration(seconds)}"]
        if self.answered:
            lines[0] += f", {self.answered / max(seconds, 1e-9):,.1f} a second"
        if self.repeated:
            lines[0] += f"; {self.repeated:,} had the same bytes as another"
        if self.known:
            lines.append(f"{self.known:,} were answered before and have not changed")
        if self.removed:
            lines.append(f"{self.removed:,} rows were removed: their photos are not there any more")
        if total:
            named, between, unfamiliar = (self.verdicts[each] for each in ("name", "between", "unfamiliar"))
            lines.append(
                f"{named:,} have a name; not sure: {between:,} ({between / total:.1%}); "
                f"not like any flower that the model knows: {unfamiliar:,} ({unfamiliar / total:.1%})"
            )
        if self.errors:
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.errors.most_common())
            lines.append(f"{sum(self.errors.values()):,} could not be read: {kinds}; the column error says why")
        if self.passing:
            lines.append(f"{self.passing:,} of these may work later: run the same command with --resume")
        return lines


def _photos(number: int) -> str:
    return f"{number:,} photo{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
