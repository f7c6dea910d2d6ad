"""``python -m runtime`` is ``flower-infer``."""

import os
import signal
import sys
import warnings

# Until the work begins, which knows what to do on Ctrl-C, it ends the process, without a traceback of Python's or of a
# library that is being loaded. A process that was started to ignore it (nohup, a shell's background) goes on doing so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from runtime.cli import main


def run() -> int:
    """The command ``flower-infer``."""
    occupy_standard_descriptors()
    silence_libraries()
    return main(ready=heed_interrupts)


def heed_interrupts() -> None:
    """From here on Ctrl-C is a `KeyboardInterrupt`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def occupy_standard_descriptors() -> None:
    """Let no file that is opened later take the number of a standard stream that the caller closed (``2>&-``): what
    libraries write to that stream would end up in the file."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one


def silence_libraries() -> None:
    """Leave standard error to this command alone: libtiff writes there of every damaged file, past Python, and Pillow
    warns of odd ones. What is wrong with a photo is said in the error that `runtime.photo` makes of it."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if sys.stderr is not None:
        ours, theirs = os.dup(sys.stderr.fileno()), os.open(os.devnull, os.O_WRONLY)
        os.dup2(theirs, sys.stderr.fileno())
        os.close(theirs)
        # Open for as long as the process lives.
        sys.stderr = os.fdopen(ours, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)


if __name__ == "__main__":
    sys.exit(run())
