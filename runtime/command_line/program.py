"""What the project's command lines share: how they take numbers and how they fail."""

import sys
from collections.abc import Callable

from runtime.errors import FlowerError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def missing_package_message(name: str, error: ModuleNotFoundError) -> str:
    """What to tell somebody who runs a tool of which only the runtime is installed."""
    return f"{name}: {error.name} is not installed; run: pip install '.[bench]' in the repository"


def run_command(name: str, body: Callable[[], None], *, interrupted: str) -> int:
    """Run a command's ``body`` and return its exit status; what goes wrong becomes one line on standard error.

    Args:
        name: of the command, which begins the line.
        body: the work; raises `FlowerError` for what it foresees.
        interrupted: what to tell the user after Ctrl-C.
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
        print(f"{name}: stopped; {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK
