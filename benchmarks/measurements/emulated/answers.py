"""The logits of a model file on an emulated processor."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from tqdm import tqdm

import runtime
from benchmarks.environments.emulators import EmulationError, Emulators, Processor, last_line
from benchmarks.workers import worker_path
from runtime.errors import FlowerError


def run_emulated(
    emulators: Emulators, processor: Processor, model: Path, photos: Sequence[Path], *, default_options: bool = False
) -> tuple[str, np.ndarray]:
    """Run a model file on ``processor``.

    Args:
        emulators: QEMU and the packages.
        processor: to emulate.
        model: a model file.
        photos: to classify.
        default_options: open the model with onnxruntime's default options instead of the runtime's.

    Returns:
        The version of onnxruntime, and the logits, float32, shape (photos, classes).

    Raises:
        EmulationError: the emulated process failed.
    """
    way = "default" if default_options else "runtime"
    arguments = [str(worker_path("emulated_classifier")), str(model.resolve()), way]
    command = emulators.command(processor, [*arguments, *(str(path.resolve()) for path in photos)])
    logits: list[list[float]] = []
    version = ""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        copy_package(runtime, Path(folder))
        environment = dict(emulators.environment(processor, Path(folder)))
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            with tqdm(total=len(photos), desc=processor.name, unit="img", disable=None) as bar:
                for line in process.stdout or ():
                    answer = json.loads(line)
                    version = answer.get("onnxruntime", version)
                    if "photo" in answer:
                        logits.append(answer["logits"])
                        bar.update()
            process.wait()
        errors.seek(0)
        last = last_line(errors.read())
    if process.returncode or len(logits) != len(photos):
        raise EmulationError(f"{processor.name}: the emulated process failed: {last}")
    return version, np.array(logits, np.float32)


def copy_package(package: ModuleType, folder: Path) -> None:
    """Copy a package to ``folder`` under its full name, so that the emulated Python can import it.

    The folder that holds the original may also hold packages for this machine's processor, which must stay invisible.
    """
    if package.__file__ is None:
        raise FlowerError(f"the package {package.__name__} has no folder; install it as files")
    target = folder.joinpath(*package.__name__.split("."))
    # A model comes by its path.
    shutil.copytree(Path(package.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__", "models"))
