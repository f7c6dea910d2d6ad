"""What the project's command lines share: how they take numbers and how they fail."""

import argparse
import sys
from collections.abc import Callable

from runtime.errors import FlowerError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def positive_int(text: str) -> int:
    """An argparse type: a whole number from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return number


def whole_number(text: str) -> int:
    """An argparse type: a whole number from 0 up."""
    return 0 if text == "0" else positive_int(text)


def needs_extra(name: str, error: ModuleNotFoundError) -> str:
    """What to tell somebody who runs a tool of which only the runtime is installed."""
    return f"{name}: {error.name} is not installed; run: pip install '.[bench]' in the repository"


def guarded(name: str, body: Callable[[], None], *, stopped: str) -> int:
    """Run a command's ``body`` and return its exit status; what goes wrong becomes one line on standard error.

    Args:
        name: of the command, which begins the line.
        body: the work; raises `FlowerError` for what it foresees.
        stopped: what to say after Ctrl-C.
    """
    try:
        body()
    except FlowerError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"{name}: {place}{error.strerror or error}; check the path, its permissions and the disk", file=sys.stderr
        )
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"{name}: stopped; {stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK
