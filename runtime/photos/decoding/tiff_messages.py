"""Messages of libtiff, which writes to standard error about every damaged file."""

import ctypes
from functools import cache
from pathlib import Path

MAPPED_FILES = Path("/proc/self/maps")
"""Linux's list of the files in this process's memory."""


@cache
def silence_libtiff() -> None:
    """Turn off the messages of the libtiff that Pillow has loaded. The error that Pillow raises says the same.

    Only libtiff is silenced: what other libraries write before a crash must stay visible. Other systems than Linux have
    no list of loaded files, and there the messages stay.
    """
    try:
        paths = {line.split(maxsplit=5)[-1].strip() for line in MAPPED_FILES.read_text().splitlines()}
        for path in paths:
            if "libtiff" in Path(path).name:
                library = ctypes.CDLL(path)
                for function in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
                    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
                    function(None)
    except (OSError, AttributeError):
        return
