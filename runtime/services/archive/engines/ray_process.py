"""`RayProcess`: what answers tasks in a process of Ray, on any machine of a cluster; and how tasks get there."""

import os
import pickle
import platform
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.memory_settings import reserve_little_memory
from runtime.inference.shipped_models import model_path
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.row import Row

if TYPE_CHECKING:
    import pyarrow as pa

TASK, NUMBER, ROWS, PROBLEM = "task", "number", "rows", "problem"
"""Columns of the tables that Ray carries: `pack`ed tasks with their numbers go to the processes, and `pack`ed rows come
back, or a problem because of which the process cannot answer."""
LIBRARIES = ("numpy", "pillow", "pillow-heif", "onnxruntime")
"""What the last digits of an answer depend on."""


@dataclass(frozen=True)
class Setup:
    """What a process of Ray needs, and what must be the same on all machines for answers to be the same."""

    settings: AnswerSettings
    folder: str
    """The working folder, to which names of photos are relative."""
    versions: dict[str, str]
    digests: dict[str, str]
    """Path of a file that the settings name → its digest."""

    @classmethod
    def of_this_machine(cls, settings: AnswerSettings) -> "Setup":
        """Return the setup with the versions and files of this machine."""
        return cls(settings, str(Path.cwd()), tool_versions(*LIBRARIES), _digests(settings))

    def require(self) -> None:
        """Enter the working folder and compare this machine with the one that made the setup.

        Raises:
            FlowerError: they differ.
            OSError: a file or folder is missing.
        """
        os.chdir(self.folder)
        versions = tool_versions(*LIBRARIES)
        for name in sorted(versions.keys() | self.versions.keys()):
            here, there = versions.get(name, "none"), self.versions.get(name, "none")
            if here != there:
                raise FlowerError(f"{name} is {here} and not {there}; install the same versions on all machines")
        for path, digest in _digests(self.settings).items():
            if digest != self.digests[path]:
                raise FlowerError(f"{path} is another file here; copy the same one to all machines")


class RayProcess:
    """Answers tasks, for ``ray.data.Dataset.map_batches``. Ray makes one in each process.

    Args:
        setup: for all processes.
    """

    def __init__(self, setup: Setup) -> None:
        self._answerer: Answerer | None = None
        self._problem = ""
        reserve_little_memory()
        try:
            setup.require()
            self._answerer = Answerer(setup.settings)
        except (FlowerError, OSError) as error:
            self._problem = f"{platform.node()}: {error}"

    def __call__(self, tasks: "pa.Table") -> "pa.Table":
        """Return a table with the rows of the tasks in a table."""
        import pyarrow as pa

        answered: dict[str, list[Any]] = {NUMBER: [], ROWS: [], PROBLEM: []}
        for record in tasks.to_pylist():
            rows: list[Row] = []
            problem = self._problem
            if self._answerer is not None:
                try:
                    rows = self._answerer.answer(unpack(record[TASK]).photos)
                except Exception as error:  # otherwise, Ray would count the process as killed
                    problem = f"{platform.node()}: {type(error).__name__}: {error}"
            answered[NUMBER].append(record[NUMBER])
            answered[PROBLEM].append(problem)
            answered[ROWS].append(pack(rows))
        return pa.table(answered)


def pack(value: Any) -> bytes:
    """Return a task or rows as few bytes. A photo of a task takes about 25 bytes, and its row about 150."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), level=6)


def unpack(packed: bytes) -> Any:
    """Return what was `pack`ed by a process of this run."""
    return pickle.loads(zlib.decompress(packed))  # noqa: S301 (as Ray does itself; the processes run this program)


def _digests(settings: AnswerSettings) -> dict[str, str]:
    names = [] if settings.names is None else [settings.names]
    return {path: file_digest(model_path(path)) for path in (settings.model, *names)}
