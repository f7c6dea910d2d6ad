"""How every command of this project ends: exit codes, and errors as one line on standard error."""

import io
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from runtime.distribution import install_command
from runtime.errors import FlowerError, debugging

EXTRAS = {
    "finetune": "train",
    "export": "export",
    **dict.fromkeys(("export mobile", "export web", "export serve", "export check", "export metadata"), "bundle"),
    "benchmarks": "bench",
    "benchmarks archive": "sheet",
}
"""Package, or package and subcommand → the extra that installs its dependencies."""
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def missing_package_message(package: str, error: ModuleNotFoundError, first_argument: str = "") -> str:
    """Return the message for a user who starts ``package`` without its dependencies.

    Args:
        package: ``finetune``, ``export`` or ``benchmarks``.
        error: the exception that Python raised.
        first_argument: of the command line, which may be a subcommand.
    """
    extra = EXTRAS.get(f"{package} {first_argument}", EXTRAS[package])
    return f"{package}: {error.name} is not installed; run: {install_command(extra)}"


def run_package(package: str) -> NoReturn:
    """Import ``PACKAGE.command_line``, run its ``main``, and end the process with its exit status.

    Args:
        package: the ``__package__`` of the ``__main__`` module that was started.
    """
    try:
        sys.exit(import_module(f"{package}.command_line").main())
    except ModuleNotFoundError as error:
        sys.exit(missing_package_message(package.rpartition(".")[2], error, *sys.argv[1:2]))
    except KeyboardInterrupt:  # Ctrl-C during imports, which take seconds
        sys.exit(EXIT_INTERRUPTED)


def print_traceback(error: BaseException) -> None:
    """Print where an error was raised and which errors caused it, if the user asked for it (`debugging`)."""
    if not debugging() or error.__traceback__ is None:
        return
    import traceback

    cause: BaseException | None = error
    while cause is not None:
        cause.__suppress_context__ = False  # set where a message says enough for everyone else
        cause = cause.__context__
    traceback.print_exception(error)


def run_command(name: str, body: Callable[[], None], *, interrupted: str) -> int:
    """Run the work of a command and return its exit status. An error becomes one line on standard error.

    Args:
        name: of the command; the line begins with it.
        body: the work; raises `FlowerError` for expected errors.
        interrupted: what to tell the user after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may be any bytes. Those that are not text are printed as they are.
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        body()
    except FlowerError as error:
        print_traceback(error)
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print_traceback(error)
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"{name}: {place}{error.strerror or error}; check the path, its permissions and the disk", file=sys.stderr
        )
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"{name}: stopped; {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK
