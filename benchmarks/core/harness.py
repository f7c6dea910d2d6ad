"""The harness: runs a suite, records command, machine and versions, and writes the report.

A report has a name. The harness writes NAME.json (all figures), NAME.md and, if there is a template for it, NAME.html
into the folder ``--report``, each atomically, and files that the suite attaches, for example plots.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.core.arguments import add_report_argument
from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render_report
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.files.atomic import write_bytes, write_text

Figures = dict[str, Any]
"""What a suite measured, as JSON has it."""


@dataclass
class Run:
    """One run of a suite, as its functions see it."""

    name: str
    """Of the report."""
    options: argparse.Namespace
    template_values: Callable[[Figures], Mapping[str, Any]]
    figures: Figures = field(default_factory=dict)
    """What the report holds so far. For a suite in parts, the parts of earlier runs as well."""
    signature: Figures = field(default_factory=dict)
    """``command`` and ``machine`` of this run; the machine includes the versions of the libraries."""

    def attach(self, name: str, content: bytes) -> None:
        """Write another file beside the report, for example a plot."""
        write_bytes(self.options.report / name, content)

    def save(self) -> tuple[Path, ...]:
        """Write the report as it is now, and return its paths: Markdown, JSON and, if there is a template, HTML."""
        folder = self.options.report
        record = folder / f"{self.name}.json"
        write_text(record, json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n")
        texts = render_report(self.name, {**self.figures, **self.template_values(self.figures)}, folder)
        for name, text in texts.items():
            write_text(folder / name, text)
        markdown, *others = (folder / name for name in texts)
        return markdown, record, *others


Part = Callable[[Run], None]
"""Measures one part of a report and puts its figures into `Run.figures`."""


@dataclass(frozen=True)
class Suite:
    """One report, and the subcommand of ``python -m benchmarks`` that makes it.

    A suite has either ``measure`` or ``parts``.
    """

    description: str
    """One sentence for ``--help``."""
    examples: str
    """The end of the text of ``--help``. ``{command}`` stands for the command of the suite."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds the options. The harness adds ``--report`` and, for a suite in parts, ``--only``."""
    measure: Callable[[Run], Figures] | None = None
    """Measures everything. The harness adds the command and the machine to the figures, and writes them once."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The parts of the report by name. The harness writes the report after each, and keeps parts of earlier runs."""
    report: str = ""
    """The name of the report and of its templates; by default the name of the suite."""
    template_values: Callable[[Figures], Mapping[str, Any]] = lambda _: {}
    """Computes what the template needs besides the figures themselves."""
    check: Callable[[Figures], None] = lambda _: None
    """Raises `FlowerError` if the figures show a fault. The harness calls it after it wrote the report."""
    interrupted: str = "nothing was written"
    """What to tell the user after Ctrl-C."""

    def report_name(self, name: str) -> str:
        """Return the name of the report of this suite, which is called ``name``."""
        return self.report or name


@dataclass(frozen=True)
class Report:
    """A report that was written."""

    figures: Figures
    files: tuple[Path, ...]
    """Markdown, JSON and, for some suites, HTML."""

    @property
    def markdown(self) -> Path:
        """The report as a text for people."""
        return self.files[0]


def make_report(name: str, suite: Suite, options: argparse.Namespace) -> Report:
    """Run a suite and write its report.

    Args:
        name: of the suite.
        suite: the suite.
        options: its parsed options, with ``command_line`` as `runtime.command_line.subcommands.Program` sets it.

    Returns:
        The figures and the paths of the report.

    Raises:
        FlowerError: something that the suite expects went wrong, or its `Suite.check` failed.
    """
    run = Run(
        suite.report_name(name),
        options,
        suite.template_values,
        signature={"command": options.command_line, "machine": describe_machine()},
    )
    if suite.measure is not None:
        run.figures = {**run.signature, **suite.measure(run)}
        files = run.save()
    else:
        record = options.report / f"{run.name}.json"
        run.figures = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        for part in [part for part in suite.parts if part in options.only]:
            suite.parts[part](run)
            run.save()  # after each part, so that Ctrl-C loses no finished part
        files = run.save()
    suite.check(run.figures)
    # As JSON has them: a notebook gets the same types as somebody who reads the file.
    figures: Figures = json.loads(files[1].read_text(encoding="utf-8"))
    return Report(figures, files)


def suite_command(name: str, suite: Suite, *, default: bool = False) -> Command:
    """Return a suite as a command.

    Args:
        name: of the suite.
        suite: the suite.
        default: whether the command has no subcommand.
    """
    words = module_command("benchmarks") + ("" if default else f" {name}")
    return Command(
        description=suite.description,
        examples=suite.examples.format(command=words),
        add_arguments=partial(_add_arguments, suite),
        run=partial(_run_command, name, suite),
        interrupted=suite.interrupted,
    )


def warn(lines: Iterable[str]) -> None:
    """Print lines about the figures on standard error."""
    for line in lines:
        print(f"benchmarks: {line}", file=sys.stderr)


def _add_arguments(suite: Suite, parser: argparse.ArgumentParser) -> None:
    suite.add_arguments(parser)
    if suite.parts:
        names = tuple(suite.parts)
        parser.add_argument(
            "--only", nargs="+", choices=names, default=names, metavar="PART",
            help=f"parts to measure: {', '.join(names)} (default: all); parts measured earlier stay in the report",
        )  # fmt: skip
    add_report_argument(parser)


def _run_command(name: str, suite: Suite, options: argparse.Namespace) -> None:
    for path in make_report(name, suite, options).files:
        print(path)
