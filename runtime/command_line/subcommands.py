"""Commands of ``python -m PACKAGE``: one without a name, and named subcommands, each with its own options only."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.command_line.completion import complete
from runtime.command_line.program import run_command
from runtime.distribution import module_command


@dataclass(frozen=True)
class Command:
    """The options and the work of one command."""

    description: str
    """One sentence for ``--help``."""
    examples: str
    """The end of the text of ``--help``."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    """The work. ``options.command_line`` holds the whole command as text. Raises `FlowerError` for expected errors."""
    interrupted: str = "nothing was written"
    """What to tell the user after Ctrl-C. ``{command}`` stands for the command that was typed."""


@dataclass(frozen=True)
class LazyCommand:
    """A command whose module is imported only when the command is used."""

    summary: str
    """One line for the list of subcommands."""
    load: Callable[[], Command]


@dataclass(frozen=True)
class Program:
    """Everything that ``python -m PACKAGE`` can run.

    Args:
        package: its name, for example ``export``.
        default: the command that runs when the first argument is not the name of a subcommand.
        subcommands: by name.
    """

    package: str
    default: Command | LazyCommand
    subcommands: Mapping[str, LazyCommand] = field(default_factory=dict)

    def parser(self, selected: str | None = None) -> argparse.ArgumentParser:
        """Return the parser of the default command, with the subcommands listed.

        Args:
            selected: the subcommand that gets its options. The others stay empty, so that they are not imported.
        """
        parser = _parser(self._prog, self._default())
        if self.subcommands:
            group = parser.add_subparsers(title="subcommands", dest="subcommand", metavar="SUBCOMMAND", prog=self._prog)
            for name, lazy in self.subcommands.items():
                added = group.add_parser(name, help=lazy.summary)
                if name == selected:
                    lazy.load().add_arguments(added)
        return parser

    def parse(self, arguments: Sequence[str]) -> tuple[Command, argparse.Namespace]:
        """Return the command that ``arguments`` name, and its options. Wrong arguments end the process (argparse)."""
        name = arguments[0] if arguments and arguments[0] in self.subcommands else None
        if name is None:
            command, parser = self._default(), self.parser()
            options, unknown = parser.parse_known_args(arguments)
            if getattr(options, "subcommand", None) is not None:
                parser.error(f"{options.subcommand} must be the first argument; it takes its own options only")
            if unknown:
                parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        else:
            command = self.subcommands[name].load()
            options = _parser(f"{self._prog} {name}", command).parse_args(arguments[1:])
        options.command_line = shlex.join([*shlex.split(self._prog), *arguments])
        return command, options

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Parse ``arguments`` (by default those of the process), run the command, and return its exit status."""
        complete(self._parser_for_completion)
        command, options = self.parse(list(sys.argv[1:] if arguments is None else arguments))
        interrupted = command.interrupted.replace("{command}", options.command_line)
        return run_command(self.package, lambda: command.run(options), interrupted=interrupted)

    def _parser_for_completion(self, words: list[str]) -> argparse.ArgumentParser:
        return self.parser(next((word for word in words if word in self.subcommands), None))

    def _default(self) -> Command:
        return self.default.load() if isinstance(self.default, LazyCommand) else self.default

    @property
    def _prog(self) -> str:
        return module_command(self.package)


def _parser(prog: str, command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=command.description,
        epilog=command.examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return parser
