"""The standard streams of a command: their descriptors, what libraries write to them, and what can be shown."""

import faulthandler
import os
import sys
import warnings
from collections.abc import Callable

from runtime.command_line.program import print_traceback
from runtime.errors import FlowerError


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


def silence_loading() -> Callable[[], None]:
    """Reserve standard error for this command's messages while the libraries and the model are loaded.

    onnxruntime writes to the descriptor about processors and devices that it does not know. Whatever the model cannot
    be opened for is raised as an error. The tracebacks of faulthandler (``PYTHONFAULTHANDLER``) stay visible.

    Returns:
        A function that ends this. From then on, standard error belongs to the whole process again, so that the last
        words of a native crash reach the log of a service.
    """
    if sys.stderr is None:
        return lambda: None
    descriptor = sys.stderr.fileno()
    own, null = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
    # This stays open for the life of the process.
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)
    if faulthandler.is_enabled():
        faulthandler.enable(sys.stderr)

    def end() -> None:
        os.dup2(own, descriptor)

    return end


def silence_decoders() -> None:
    """Keep Pillow from writing to standard error: it warns of unusual photos, and libtiff writes about damaged ones.

    The error that `runtime.photos.open_photo` raises already says what is wrong with a photo.
    """
    import ctypes
    import logging

    from PIL import _imaging

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        library = ctypes.CDLL(_imaging.__file__)  # its symbols include those of the libraries that it is linked to
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
    except (OSError, AttributeError):  # a Pillow without libtiff, or linked in another way
        return


def printable(text: str) -> str:
    """Return ``text`` without control characters and line ends, in characters that the terminal's encoding has."""
    clean = "".join(character if character.isprintable() else "�" for character in text)
    encoding = output_encoding()
    return clean.encode(encoding, "replace").decode(encoding)


def output_encoding() -> str:
    """Return the encoding of standard output."""
    # sys.stdout is None if the caller closed it.
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def print_line(text: str) -> None:
    """Print a line on standard output at once, whatever characters it has."""
    if sys.stdout is None:  # the caller closed standard output
        return
    encoding = sys.stdout.encoding or "utf-8"
    # A file name may contain bytes that are not valid text, and the output's encoding may lack characters.
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def print_message(line: str) -> None:
    """Print a line for the user on standard error."""
    print_error(FlowerError(line))


def print_error(error: FlowerError) -> None:
    """Print the message of an error on standard error."""
    if sys.stderr is None:  # the caller closed standard error
        return
    print_traceback(error)
    print(f"flower-infer: {printable(str(error))}", file=sys.stderr, flush=True)
