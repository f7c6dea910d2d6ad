"""Cold start and peak memory of the whole command ``flower-infer photo.jpg``, as a user's shell sees it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from runtime.errors import FlowerError

LAUNCHER = Path(__file__).with_name("launcher.py")


def measure(models: Mapping[str, Path], photo: Path, rounds: int, threads: int) -> dict[str, dict[str, np.ndarray]]:
    """Run the command ``rounds`` times with each model, interleaved.

    Returns:
        For each model, ``seconds`` and ``peak_bytes``: shape (rounds,). One run each before them is not counted.
    """
    results = {name: {"seconds": np.zeros(rounds), "peak_bytes": np.zeros(rounds)} for name in models}
    for index in tqdm(range(-1, rounds), desc="cold start", unit="round", disable=None):
        for name, model in models.items():
            command = [sys.executable, "-m", "runtime", "--device", "cpu", "--threads", str(threads)]
            command += ["--model", str(model), str(photo)]
            done = subprocess.run([sys.executable, str(LAUNCHER), *command], capture_output=True, text=True)
            if done.returncode:
                raise FlowerError(f"flower-infer failed with {model}: {done.stderr.strip()}")
            if index >= 0:
                for key, value in json.loads(done.stdout).items():
                    results[name][key][index] = value
    return results
