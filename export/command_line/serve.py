"""``python -m export serve``: show a web bundle on this computer."""

import argparse
from pathlib import Path

from export.web.server import serve
from runtime.command_line.arguments import whole_number
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command

DEFAULT_PORT = 8000
EXAMPLES = f"""\
examples:
  {module_command("export")} serve site
  {module_command("export")} serve site --port 8080
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the server."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="made by the subcommand web")
    parser.add_argument(
        "--port", type=whole_number, default=DEFAULT_PORT, metavar="N", help="0 for a free one (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    serve(options.folder, options.port)


COMMAND = Command(
    description="Show a web page made by the subcommand web, at an address that only this computer can open.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="the page was not served",
)
