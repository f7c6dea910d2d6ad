"""`Engine`: who answers the photos of an archive. `local_engine` has processes, `ray_engine` a cluster."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto


@dataclass(frozen=True, slots=True)
class Task:
    """Photos that one process answers one after the other."""

    part: int
    """The part of the table that the photos belong to."""
    positions: tuple[int, ...]
    """The positions of the photos in that part."""
    photos: tuple[ArchivePhoto, ...]


class Engine(Protocol):
    """Answers tasks on several processes or machines."""

    def answer(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Yield tasks with a row for each of their photos, in any order. A task may come in pieces.

        Tasks are taken as they are needed, so that few of them are held in memory. A process or machine that is
        killed loses nothing: its tasks are given to another. Every photo comes once.
        """
        ...
