"""Settings with which threads reserve less memory. A program that imports the runtime keeps its own settings."""

import ctypes
import os
from contextlib import suppress

M_ARENA_MAX = -8
"""glibc's number of the option "most arenas" (``malloc.h``)."""


def reserve_little_memory() -> None:
    """Let all threads share one pool of memory, and let numpy start none of its own.

    glibc reserves 64 MB of addresses for each thread that allocates, and OpenBLAS a buffer for each processor. The
    runtime multiplies no matrices with numpy. Call this before the first thread starts and numpy is imported. What the
    user has set in the environment stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError, TypeError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
