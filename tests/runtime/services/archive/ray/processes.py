"""Processes of Ray that do what tests need. Ray imports this module by its name."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.services.archive import answering
from runtime.services.archive.engines.ray_process import TASK, RayProcess, Setup, unpack
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.reading import read_archive_photo

if TYPE_CHECKING:
    import pyarrow as pa

ENDING = "ends.png"
"""The end of the name of a photo that ends its process."""
WAITING_FROM = 200
"""Position in the part from which on photos are not answered before the gate is open."""


def gate(settings: answering.AnswerSettings) -> Path:
    """The file whose presence opens the gate."""
    return Path(settings.model).with_name("open")


class WaitingProcess(RayProcess):
    """Answers the first photos at once, and the others when the gate is open."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._gate = gate(setup.settings)

    def __call__(self, tasks: "pa.Table") -> "pa.Table":
        positions = [position for record in tasks.to_pylist() for position in unpack(record[TASK]).positions]
        while max(positions) >= WAITING_FROM and not self._gate.exists():
            time.sleep(0.05)
        return super().__call__(tasks)


class EndedByPhoto(RayProcess):
    """Is ended by a certain photo, as by a crash in a decoder."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)

        def read_or_end(photo: ArchivePhoto) -> bytes:
            if photo.name.endswith(ENDING):
                os.kill(os.getpid(), signal.SIGKILL)
            return read_archive_photo(photo)

        vars(answering)["read_archive_photo"] = read_or_end
