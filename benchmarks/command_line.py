"""``python -m benchmarks``: every suite as a subcommand, and `run_suite`, the same from Python."""

from collections.abc import Sequence
from functools import partial

from benchmarks.core.harness import Report, make_report, suite_command
from benchmarks.suites import DEFAULT_SUITE, load_suite, suite_names, suite_summary
from runtime.command_line.subcommands import Command, LazyCommand, Program


def _load_suite_command(name: str) -> Command:
    # Imported here, because most suites need PyTorch, which `archive` does not.
    return suite_command(name, load_suite(name), default=name == DEFAULT_SUITE)


def _load_picture_command() -> Command:
    # Imported here, because matplotlib takes long to import.
    from benchmarks.measurements.answer_picture import COMMAND

    return COMMAND


def _load_archive_command() -> Command:
    # Imported here, because most suites need none of it.
    from benchmarks.archive.command import COMMAND

    return COMMAND


PROGRAM = Program(
    package="benchmarks",
    default=LazyCommand(suite_summary(DEFAULT_SUITE), partial(_load_suite_command, DEFAULT_SUITE)),
    subcommands={
        **{
            name: LazyCommand(suite_summary(name), partial(_load_suite_command, name))
            for name in suite_names()
            if name != DEFAULT_SUITE
        },
        "picture": LazyCommand("A photo and the answer of flower-infer to it, as one picture", _load_picture_command),
        "archive": LazyCommand("What is in an archive: one page about a table of answers", _load_archive_command),
    },
)
"""Everything that ``python -m benchmarks`` can run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m benchmarks`` and return its exit status.

    Args:
        arguments: by default those of the process.
    """
    return PROGRAM.main(arguments)


def run_suite(name: str, arguments: Sequence[str] = ()) -> Report:
    """Run a suite and write its report, as ``python -m benchmarks NAME`` does.

    Args:
        name: of a module in ``benchmarks/suites``, for example ``runtime``; ``models`` is the suite that the command
            runs without a subcommand.
        arguments: its options, as on the command line.

    Returns:
        The figures and the paths of the report.

    Raises:
        FlowerError: there is no such suite, or something that the suite expects went wrong.
        SystemExit: the options are wrong; argparse printed what is wrong with them.
    """
    suite = load_suite(name)
    _, options = PROGRAM.parse([*([] if name == DEFAULT_SUITE else [name]), *arguments])
    return make_report(name, suite, options)
