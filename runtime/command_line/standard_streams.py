"""The standard streams of a command: keeping their descriptors, and keeping Python's warnings off standard error."""

import os
import sys
import warnings

from runtime.distribution import DEBUG


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


def silence_warnings() -> None:
    """Show no warnings of Python, unless the user asks for them (``python -W``, or the variable `DEBUG`).

    Pillow issues warnings about unusual files. The error of `runtime.photos.open_photo` already says what is wrong.
    """
    if not sys.warnoptions and DEBUG not in os.environ:
        warnings.simplefilter("ignore")
