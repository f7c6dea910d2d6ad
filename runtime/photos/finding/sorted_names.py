"""Sorting names with flat memory, however many there are: sorted runs in a temporary file, which are then merged.

This is an external merge sort (Knuth, The Art of Computer Programming, volume 3, section 5.4).
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from io import FileIO
from itertools import islice, pairwise

from runtime.errors import FlowerError

RUN_LENGTH = 100_000
"""Names that are sorted in memory at once, about 10 MB of them."""
BLOCK_BYTES = 4096
"""Bytes of each run that are in memory during the merge."""
END = b"\0"
"""Follows each name in the temporary file. No name of a file contains it."""


def sorted_names(names: Iterable[str], run_length: int = RUN_LENGTH) -> Iterator[str]:
    """Yield names of files in the order of `sorted`.

    Fewer than ``run_length`` names stay in memory. More of them go through a temporary file without a name, which
    disappears with the process. It is in the folder that `tempfile.gettempdir` returns (the variable ``TMPDIR``).

    Args:
        names: names or paths without NUL. An error that the iteration raises is passed on before the first name.
        run_length: names in memory.

    Raises:
        FlowerError: the temporary file cannot be written or read.
    """
    names = iter(names)
    run = sorted(islice(names, run_length))
    if len(run) < run_length:
        run.reverse()
        while run:  # a name that is passed on needs no memory any more
            yield run.pop()
        return
    with _temporary_file() as file:
        ends = [0]
        while run:
            ends.append(_append(file, run))
            run = sorted(islice(names, run_length))
        yield from merge(*(_read_run(file, start, end) for start, end in pairwise(ends)))


def _temporary_file() -> FileIO:
    try:
        # Unbuffered: a buffer that cannot be written would raise a second error when the file is closed.
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_space(error) from None


def _append(file: FileIO, run: list[str]) -> int:
    """Write the names at the end of the file, and return the new end."""
    content = memoryview(b"".join(os.fsencode(name) + END for name in run))
    try:
        while content:
            content = content[file.write(content) :]
        return file.tell()
    except OSError as error:
        raise _no_space(error) from None


def _read_run(file: FileIO, start: int, end: int) -> Iterator[str]:
    rest = b""
    while start < end:
        try:
            file.seek(start)
            block = file.read(min(BLOCK_BYTES, end - start))
        except OSError as error:
            raise _no_space(error) from None
        start += len(block)
        *names, rest = (rest + block).split(END)
        yield from map(os.fsdecode, names)


def _no_space(error: OSError) -> FlowerError:
    return FlowerError(
        f"too little space to sort the names of the files ({error.strerror or error}); "
        "set TMPDIR to a folder with free space"
    )
