"""How many processes answer an archive."""

from pathlib import Path

PROCESS_BYTES = 350 * 1024**2
"""Memory of a process with the full network while it decodes a photo of usual size."""
MEMORY = Path("/proc/meminfo")


def process_count(threads: int, memory: Path = MEMORY) -> int:
    """Return the number of processes with one thread each: ``threads``, or fewer if the memory is small.

    Args:
        threads: CPU threads that may be used.
        memory: Linux's file about memory. Where there is none, the memory is taken to suffice.
    """
    available = _available_bytes(memory)
    return threads if available is None else max(1, min(threads, available // PROCESS_BYTES))


def _available_bytes(memory: Path) -> int | None:
    try:
        lines = memory.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
