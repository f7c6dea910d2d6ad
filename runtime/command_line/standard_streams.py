"""TODO from runtime.__main__."""

import os
import sys
import warnings


def reserve_standard_descriptors() -> None:
    """Let no file that is opened later take the number of a standard stream that the caller closed (``2>&-``): what
    libraries write to that stream would end up in the file."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one


def silence_libraries() -> None:
    """Leave standard error to this command alone: libtiff writes there of every damaged file, past Python, and Pillow
    warns of odd ones. What is wrong with a photo is said in the error that `runtime.photos.open_photo` makes of it."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if sys.stderr is not None:
        ours, theirs = os.dup(sys.stderr.fileno()), os.open(os.devnull, os.O_WRONLY)
        os.dup2(theirs, sys.stderr.fileno())
        os.close(theirs)
        # Open for as long as the process lives.
        sys.stderr = os.fdopen(ours, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)
