"""Fuzzing: gives thousands of malformed inputs to the runtime and counts what ends neither in an answer nor an error.

The inputs are processed by `benchmarks.fuzzing.worker`, a process that may crash, hang or use too much memory. The
driver then counts the input as a failure and starts another worker with the next input.
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

HANG_S = 60.0
"""Seconds after which an input counts as a hang. The slowest take less than a second, but a busy machine may stall."""
MEMORY_LIMIT = 1_000_000_000
"""Bytes that the worker may use in total."""
INPUTS_PER_PROCESS = 1000
"""A new process for each thousand inputs has a peak of memory of its own."""
MAX_STDERR_FAILURES = 100
"""Lines of a crashed worker's standard error that are kept."""


@dataclass
class FuzzResult:
    """The outcomes of many inputs."""

    inputs: int = 0
    answered: int = 0
    rejected: int = 0
    """Inputs that ended in a `FlowerError`."""
    failures: list[str] = field(default_factory=list)
    """Each names an input and what it caused."""
    slowest_s: float = 0.0
    peak_bytes: int = 0
    stderr_lines: int = 0
    """Lines that libraries wrote on standard error."""


def fuzz(
    kind: str,
    count: int,
    more: Sequence[str] = (),
    *,
    first: int = 0,
    on_progress: Callable[[int], object] = lambda _: None,
) -> FuzzResult:
    """Give inputs of one kind to the runtime.

    Args:
        kind: ``photo``, ``crafted``, ``largest`` or ``model``.
        count: how many inputs.
        more: for ``model``, the path of a valid model file, which is damaged.
        first: number of the first input.
        on_progress: called with the number of inputs processed since its last call.
    """
    result = FuzzResult()
    number, last = first, first + count
    while number < last:
        done = _run_worker(kind, number, min(number + INPUTS_PER_PROCESS, last), more, result)
        number += done
        on_progress(done)
    return result


def _run_worker(kind: str, first: int, last: int, more: Sequence[str], result: FuzzResult) -> int:
    """Run one worker. Returns how many inputs it processed, including one that ended it."""
    command = [sys.executable, "-m", f"{__package__}.worker", kind, str(first), str(last), *more]
    done, hung = 0, False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines, errors = _read_in_thread(process.stdout or ()), _read_in_thread(process.stderr or ())
        while True:
            try:
                line = lines.get(timeout=HANG_S)
            except queue.Empty:
                hung = True
                process.kill()
                break
            if line is None:
                break
            _count(json.loads(line), result)
            done += 1
        process.wait()
        while (line := errors.get()) is not None:
            result.stderr_lines += 1
            if len(result.failures) < MAX_STDERR_FAILURES and process.returncode not in (0, None) and not hung:
                result.failures.append(f"{kind} {first + done}: {line.strip()}")
    if first + done < last:
        outcome = f"no answer in {HANG_S:.0f} s" if hung else f"ended the process with status {process.returncode}"
        result.inputs += 1
        result.failures.append(f"{kind} {first + done}: {outcome}")
        return done + 1
    return done


def _count(entry: dict[str, object], result: FuzzResult) -> None:
    """Add one line of the worker to the result."""
    result.inputs += 1
    if entry["outcome"] == "escaped":
        result.failures.append(f"{entry['name']}: {entry['detail']}")
    elif entry["outcome"] == "answered":
        result.answered += 1
    else:
        result.rejected += 1
        if "\n" in str(entry["detail"]):
            result.failures.append(f"{entry['name']}: an error message of several lines")
    seconds, peak = float(str(entry["seconds"])), int(str(entry["peak_bytes"]))
    result.slowest_s = max(result.slowest_s, seconds)
    if peak > MEMORY_LIMIT >= result.peak_bytes:
        result.failures.append(f"{entry['name']}: {peak / 1e6:.0f} MB of memory")
    result.peak_bytes = max(result.peak_bytes, peak)


def _read_in_thread(stream: Iterable[str]) -> "queue.Queue[str | None]":
    """Return a queue that gets the lines of ``stream`` as they come, and then None."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines
