"""Whether a table is the same after the process was killed, and how much memory a run takes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import runtime
from runtime.errors import FlowerError
from runtime.services.archive.assembly import PART_ROWS

POLL_SECONDS = 0.05
SAMPLE_SECONDS = 1.0
MARK = f"FLOWER_EDGE_RUN={os.getpid()}"
"""Environment variable of the commands, which their processes inherit."""
RAY_WORKER = "ray::MapWorker"
"""How the command line of a process begins that answers photos for Ray."""
KILLED_AT = (0.2, 0.5, 0.8)
"""Shares of the table that are written when the process is killed."""
QUARTERS = (0.25, 0.5, 0.75, 1.0)


def make_links(photos: Sequence[Path], count: int, folder: Path) -> None:
    """Make a folder of links to photos under different names: photos that repeat, in the order of their names.

    Args:
        photos: existing files.
        count: number of links.
        folder: for the links; made if it does not exist. Links to the same photos stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        link = folder / f"{number // PART_ROWS:04}" / f"{number:07}.jpg"
        target = photos[number % len(photos)].resolve()
        if not (link.is_symlink() and link.readlink() == target):
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def table_digest(table: Path) -> str:
    """Return the SHA-256 of the names and bytes of all parts of a Parquet table."""
    digest = hashlib.sha256()
    for part in sorted(table.iterdir()):
        digest.update(part.name.encode() + b"\0" + hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()


def run_watched(
    arguments: Sequence[str],
    table: Path,
    photos: int,
    *,
    kill_at: float | None = None,
    kill_worker_at: float | None = None,
) -> dict[str, Any]:
    """Run ``flower-infer`` with arguments until it ends or a share of its table is written; then kill it.

    Args:
        arguments: of the command.
        table: the Parquet table that it writes.
        photos: rows of the finished table.
        kill_at: share of the parts at which the main process gets SIGKILL; None to let it end.
        kill_worker_at: share of the parts at which one process of Ray gets SIGKILL; None for none.

    Returns:
        ``seconds``, ``parts`` when it ended, ``said`` (its last lines), and ``memory``: for each second, the share of
        the parts that were written, and the bytes of the main process and of all its processes together (Pss).

    Raises:
        FlowerError: the command failed.
    """
    command = [sys.executable, "-m", runtime.__name__, *arguments]
    parts = -(-photos // PART_ROWS)
    memory: list[tuple[float, int, int]] = []
    started = sampled = time.monotonic()
    name, _, value = MARK.partition("=")
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, name: value}
    ) as process:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            written = len(list(table.glob("part-*"))) if table.exists() else 0
            if time.monotonic() - sampled >= SAMPLE_SECONDS:
                sampled = time.monotonic()
                memory.append((written / parts, *_memory(process.pid)))
            if kill_worker_at is not None and written >= kill_worker_at * parts:
                kill_worker_at = None
                if not _kill_worker(RAY_WORKER):
                    raise FlowerError("no process of Ray was found to kill; is the command line of its workers new?")
            if kill_at is not None and written >= kill_at * parts:
                process.send_signal(signal.SIGKILL)
                break
        said = process.communicate()[1].strip().splitlines()
    if kill_at is not None and process.returncode != -signal.SIGKILL:
        raise FlowerError("flower-infer ended before it was killed; give more --photos")
    if kill_at is None and process.returncode not in (0, 1):
        raise FlowerError(f"flower-infer failed: {said[-1] if said else process.returncode}")
    return {"seconds": time.monotonic() - started, "parts": written, "said": said[-6:], "memory": memory}


def memory_by_quarter(memory: Sequence[tuple[float, int, int]]) -> list[dict[str, float]]:
    """Return the largest memory in each quarter of a run.

    Args:
        memory: from `run_watched`.
    """
    quarters, low = [], 0.0
    for high in QUARTERS:
        # The first part appears only after a while; before it, the processes start.
        inside = [(main, together) for share, main, together in memory if low < share <= high]
        if inside:
            quarters.append(
                {
                    "until": high,
                    "main_bytes": max(main for main, _ in inside),
                    "all_bytes": max(together for _, together in inside),
                }
            )
        low = high
    return quarters


def kill_and_resume(arguments: Sequence[str], table: Path, photos: int) -> list[dict[str, Any]]:
    """Run the command, kill it at each of `KILLED_AT`, go on, and let it end. Returns the runs in order."""
    runs: list[dict[str, Any]] = []
    for kill_at in (*KILLED_AT, None):
        resume = ["--resume"] if runs else []
        runs.append(run_watched([*arguments, *resume], table, photos, kill_at=kill_at))
    return runs


def _memory(main: int) -> tuple[int, int]:
    """Return the bytes of the main process, and of it and the processes below it together."""
    together, waiting, main_bytes = 0, [main], 0
    while waiting:
        number = waiting.pop()
        try:
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
            waiting += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
        except OSError:  # it has just ended
            continue
        pss = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
        together += pss
        main_bytes = pss if number == main else main_bytes
    return main_bytes, together


def _kill_worker(name: str) -> bool:
    """Kill one process of a cluster that `run_watched` started, and return whether there was one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = MARK.encode() in (folder / "environ").read_bytes().split(b"\0")
            if ours and (folder / "cmdline").read_text().startswith(name):
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:  # it has ended, or belongs to another user
            continue
    return False
