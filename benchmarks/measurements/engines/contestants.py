"""The contestants: every engine with every form of the network, and why an engine is not among them."""

import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.process_timing import run_worker
from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.form_folder import form_bytes, form_folder, is_made
from benchmarks.engines.model_file_engines import MODEL_FILE
from benchmarks.engines.registry import FORM_ENGINES, MODEL_FILE_ENGINES
from benchmarks.engines.source import CALIBRATION_SPLIT
from finetune.data.dataset import read_split
from finetune.network.checkpoint import Checkpoint
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.photos.preprocessing import Preprocessing

RUNS = 100
"""Runs in each process. Their median is one measurement."""


@dataclass(frozen=True)
class Contestant:
    """One engine with one form of the network. Its functions start a process each."""

    engine: Engine
    form: Form
    path: Path
    """The model file, or the folder of the form."""
    words: str
    """What the form is."""
    preprocessing: Preprocessing

    def describe(self) -> dict[str, Any]:
        """Return what the report says of it besides measurements."""
        return {
            "file": self.path.name if self.path.is_file() else None,
            "form": self.words,
            "intake": self.form.intake,
            "engine": self.engine.name,
            "versions": self.engine.versions(self.form),
            "bytes": form_bytes(self.path),
        }

    def milliseconds(self, threads: int) -> float:
        """Return the median time of one photograph.

        Raises:
            FlowerError: the engine failed.
        """
        arguments = [str(self.path), str(self.preprocessing.size), str(threads), str(RUNS)]
        return float(np.median(json.loads(self._run("engine_timing", *arguments))))

    def answers(self, threads: int, data: Path, split: str, photographs: int) -> np.ndarray:
        """Return the class that each photograph is taken for: int, shape (photographs,).

        Raises:
            FlowerError: the engine failed.
        """
        preprocessing = json.dumps(self.preprocessing.to_dict())
        arguments = [str(self.path), str(threads), str(data), split, str(photographs), preprocessing]
        return np.array(json.loads(self._run("engine_accuracy", *arguments)))

    def _run(self, worker: str, *arguments: str) -> str:
        return run_worker(f"{self.engine.name} with {self.path}", worker, self.engine.name, self.form.name, *arguments)


@dataclass(frozen=True)
class Absent:
    """An engine, or a form of it, that was not measured."""

    engine: str
    form: str
    reason: str


def of_model_files(files: Sequence[tuple[Path, ModelInfo]]) -> Iterator[Contestant | Absent]:
    """Yield a contestant for each model file in each engine that runs model files."""
    for path, info in files:
        for engine in MODEL_FILE_ENGINES.values():
            form = engine.form(MODEL_FILE)
            missing = engine.missing(form)
            if missing:
                yield Absent(engine.name, path.name, missing)
            else:
                yield Contestant(engine, form, path, form.words, info.preprocessing)


def of_checkpoint(
    path: Path,
    checkpoint: Checkpoint,
    data: Path,
    photographs: int,
    root: Path,
    only: Container[tuple[str, str]] | None = None,
) -> Iterator[Contestant | Absent]:
    """Make the forms that are not yet there, and yield a contestant for each.

    Args:
        path: of the checkpoint.
        checkpoint: its content.
        data: the data set.
        photographs: validation photographs for the activation ranges.
        root: the folder of all forms.
        only: the names of engine and form of those that are made (default: all).
    """
    digest = file_digest(path)
    split = read_split(data, CALIBRATION_SPLIT).head(photographs)
    photographs_digest = split.digest()
    for engine in FORM_ENGINES.values():
        for form in engine.forms:
            if only is not None and (engine.name, form.name) not in only:
                continue
            words = form.words.format(photographs=len(split))
            missing = engine.missing(form)
            if missing:
                yield Absent(engine.name, words, missing)
                continue
            folder = form_folder(root, digest, engine.name, form.name)
            made_from = {
                "checkpoint_sha256": digest,
                "photographs_sha256": photographs_digest,
                "versions": engine.versions(form),
            }
            if not is_made(folder, made_from):
                arguments = [str(path), str(data), str(len(split)), str(folder), json.dumps(made_from)]
                try:
                    run_worker("conversion failed", "engine_form", engine.name, form.name, *arguments)
                except FlowerError as error:
                    yield Absent(engine.name, words, str(error))
                    continue
            yield Contestant(engine, form, folder, words, checkpoint.preprocessing)
