"""The subcommands of ``python -m export``."""

from collections.abc import Sequence
from importlib import import_module

from export.command_line.export_command import COMMAND
from runtime.command_line.subcommands import Command, LazyCommand, Program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m export`` with ``arguments`` (by default those of the process) and return its exit status."""
    return PROGRAM.main(arguments)


def _subcommand(module: str, summary: str) -> LazyCommand:
    def load() -> Command:
        command: Command = import_module(f".{module}", __package__).COMMAND
        return command

    return LazyCommand(summary, load)


PROGRAM = Program(
    "export",
    COMMAND,
    {
        "mobile": _subcommand("mobile", "make a folder for phone apps from a model file"),
        "web": _subcommand("web", "make a web page from a model file"),
        "check": _subcommand("check", "check a model file: digest, metadata, calibration and accuracy"),
        "serve": _subcommand("serve", "show a web page made by the subcommand web on this computer"),
        "restore": _subcommand("restore", "make a checkpoint from a model file, for more training"),
        "metadata": _subcommand("metadata", "change the temperature or the cuts of a model file"),
    },
)
