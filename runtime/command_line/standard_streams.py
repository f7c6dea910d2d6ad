"""The standard streams of a command: keeping their descriptors, and keeping libraries from writing to them."""

import os
import sys
import warnings


def reserve_standard_descriptors() -> None:
    """Open the null device for each standard stream that the caller closed (``2>&-``).

    Otherwise a file that is opened later gets the stream's number, and a library that writes to the stream writes into
    that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this descriptor


def silence_libraries() -> None:
    """Reserve standard error for this command's messages.

    libtiff writes to the descriptor about every damaged file, and Pillow issues warnings about unusual ones. The error
    that `runtime.photos.open_photo` raises already says what is wrong with a photo.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if sys.stderr is not None:
        own, null = os.dup(sys.stderr.fileno()), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stderr.fileno())
        os.close(null)
        # This stays open for the life of the process.
        sys.stderr = os.fdopen(own, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)
