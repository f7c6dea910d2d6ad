"""Running processes of the benchmarks: cold start and peak memory of whole commands, and the output of workers."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

import runtime
from benchmarks.workers import worker_command, worker_path
from runtime.errors import FlowerError

_MEASURED_COMMAND = worker_path("measured_command")


def infer_command(threads: int, *photos: Path, model: Path | None = None) -> list[str]:
    """Return the command of ``flower-infer`` on the CPU, with this Python.

    Args:
        threads: of the network.
        photos: to classify.
        model: a model file (default: the model inside).
    """
    command = [sys.executable, "-m", runtime.__name__, "--device", "cpu", "--threads", str(threads)]
    return [*command, *(["--model", str(model)] if model else []), *map(str, photos)]


def minimal_command(threads: int, model: Path) -> list[str]:
    """Return the command of the minimal script, with which the start of ``flower-infer`` is compared."""
    return [sys.executable, str(worker_path("minimal_start")), str(model.resolve()), str(threads)]


def measure_commands(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict[str, np.ndarray]]:
    """Run each command ``rounds`` times, interleaved. One more run of each, before the others, is not counted.

    Returns:
        Name → ``seconds`` and ``peak_bytes``, each of shape (rounds,).

    Raises:
        FlowerError: a command failed.
    """
    # An installed package has compiled bytecode, so these processes may keep theirs.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    results = {name: {"seconds": np.zeros(rounds), "peak_bytes": np.zeros(rounds)} for name in commands}
    for index in tqdm(range(-1, rounds), desc="cold start", unit="round", disable=None):
        for name, command in commands.items():
            measured = _measure(name, command, environment)
            if index >= 0:
                for key, value in measured.items():
                    results[name][key][index] = value
    return results


def measure_worker(title: str, worker: str, *arguments: str) -> dict[str, float]:
    """Run a module of `benchmarks.workers` once and return its ``seconds`` and ``peak_bytes``.

    Args:
        title: of the worker, for the error message.
        worker: name of the module.
        arguments: of the worker.

    Raises:
        FlowerError: the worker failed.
    """
    return _measure(title, worker_command(worker, *arguments), None)


def run_worker(title: str, worker: str, *arguments: str) -> str:
    """Run a module of `benchmarks.workers` and return what it printed.

    Args:
        title: of the worker, for the error message.
        worker: name of the module.
        arguments: of the worker.

    Raises:
        FlowerError: the worker failed.
    """
    return _output(title, worker_command(worker, *arguments), None)


def _measure(title: str, command: Sequence[str], environment: Mapping[str, str] | None) -> dict[str, float]:
    measured: dict[str, float] = json.loads(
        _output(title, [sys.executable, str(_MEASURED_COMMAND), *command], environment)
    )
    return measured


def _output(title: str, command: Sequence[str], environment: Mapping[str, str] | None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        # The last line of a traceback is the error itself.
        raise FlowerError(f"{title}: {(done.stderr.strip().splitlines() or ['the process failed'])[-1]}")
    return done.stdout
