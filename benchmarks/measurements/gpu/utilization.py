"""The share of time in which a GPU computes, sampled by ``nvidia-smi`` while something else runs.

NVIDIA defines ``utilization.gpu`` as the percentage of the last sample period (a sixth of a second to one second) in
which at least one kernel ran. It says whether the GPU waits, not how many of its units compute.
"""

import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any

import numpy as np

from benchmarks.measurements.gpu.requirements import NVIDIA_SMI

INTERVAL_MS = 200
SAMPLER = (NVIDIA_SMI, "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits",
           f"--loop-ms={INTERVAL_MS}")  # fmt: skip
"""Prints a number of percent every `INTERVAL_MS` until it is ended."""


def parse_sample(line: str) -> float | None:
    """Return a line of `SAMPLER` as a share from 0 to 1, or None if it holds no percentage (``[N/A]``)."""
    try:
        percent = float(line)
    except ValueError:
        return None
    return percent / 100 if 0 <= percent <= 100 else None


class Utilization:
    """A context in which a process samples how busy the GPU is.

    Args:
        sampler: the command that prints the samples, one a line.

    Without that command, or if it fails, there are no samples.
    """

    def __init__(self, sampler: Sequence[str] = SAMPLER) -> None:
        self._sampler = sampler
        self._samples: list[tuple[float, float]] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> "Utilization":
        try:
            self._process = subprocess.Popen(
                self._sampler, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
            )
        except OSError:
            return self
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._reader is not None:
            self._process.terminate()
            self._process.wait()
            self._reader.join()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                share = parse_sample(line)
                if share is not None:
                    self._samples.append((time.monotonic(), share))

    def between(self, start: float, end: float) -> list[float]:
        """Return the samples that arrived between two times of `time.monotonic`, as shares from 0 to 1."""
        return [share for arrived, share in list(self._samples) if start <= arrived <= end]


def busy_figures(samples: Sequence[float]) -> dict[str, Any]:
    """Return the number of samples and their mean, the share of time in which the GPU computes; None without samples.

    Args:
        samples: shares from 0 to 1.
    """
    return {"samples": len(samples), "busy": float(np.mean(samples)) if samples else None}
