"""Malformed inputs by the thousand: does anything but a clear error come out?

Each worker is a process that can die, hang or swell without harm: what it was at is then counted, and another goes on
with the next input.
"""

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from benchmarks.workers import worker_command

HANG_S = 60.0
"""Seconds after which an input counts as one that hangs. (The slowest take a fraction of one; but machines stall.)"""
MEMORY = 1_000_000_000
"""Bytes that a process may need in all."""
CHUNK = 1000
"""Inputs to a process, so that peaks of memory can be told apart."""


@dataclass
class Verdict:
    """What came of many inputs."""

    inputs: int = 0
    answered: int = 0
    refused: int = 0
    bad: list[str] = field(default_factory=list)
    """What should not be: the input and what it did."""
    slowest_s: float = 0.0
    peak_bytes: int = 0
    noise: int = 0
    """Lines on standard error, past the runtime."""


def fuzz(
    kind: str,
    count: int,
    more: Sequence[str] = (),
    *,
    first: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> Verdict:
    """Give ``count`` inputs of a kind of `benchmarks.workers.fuzz_worker` to the runtime, from number ``first`` on.

    Args:
        kind: ``photo``, ``hostile`` or ``model``.
        count: of inputs.
        more: what that kind takes besides.
        first: number of the first.
        advance: told how many inputs are done, each time some are.
    """
    verdict = Verdict()
    number, last = first, first + count
    while number < last:
        done = _run(kind, number, min(number + CHUNK, last), more, verdict)
        number += done
        advance(done)
    return verdict


def _run(kind: str, first: int, last: int, more: Sequence[str], verdict: Verdict) -> int:
    """One worker; returns how many inputs it got through, one that killed it included."""
    command = worker_command("fuzz_worker", kind, str(first), str(last), *more)
    done, hung = 0, False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines, noise = _reader(process.stdout), _reader(process.stderr)
        while True:
            try:
                line = lines.get(timeout=HANG_S)
            except queue.Empty:
                hung = True
                process.kill()
                break
            if line is None:
                break
            _count(json.loads(line), verdict)
            done += 1
        process.wait()
        while (line := noise.get()) is not None:
            verdict.noise += 1
            if len(verdict.bad) < 100 and process.returncode not in (0, None) and not hung:
                verdict.bad.append(f"{kind} {first + done}: {line.strip()}")
    if first + done < last:
        verdict.inputs += 1
        verdict.bad.append(f"{kind} {first + done}: {'hangs' if hung else f'ends the process ({process.returncode})'}")
        return done + 1
    return done


def _count(entry: dict[str, object], verdict: Verdict) -> None:
    verdict.inputs += 1
    if entry["outcome"] == "escaped":
        verdict.bad.append(f"{entry['name']}: {entry['detail']}")
    elif entry["outcome"] == "answered":
        verdict.answered += 1
    else:
        verdict.refused += 1
        if "\n" in str(entry["detail"]):
            verdict.bad.append(f"{entry['name']}: an error of several lines")
    seconds, peak = float(str(entry["seconds"])), int(str(entry["peak_bytes"]))
    verdict.slowest_s = max(verdict.slowest_s, seconds)
    if peak > MEMORY >= verdict.peak_bytes:
        verdict.bad.append(f"{entry['name']}: {peak / 1e6:.0f} MB of memory")
    verdict.peak_bytes = max(verdict.peak_bytes, peak)


def _reader(stream: IO[str]) -> "queue.Queue[str | None]":
    """The lines of a stream, then None, as they come."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines
