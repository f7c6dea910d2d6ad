"""Options of ``flower-infer`` for archives: which photos, and the table of their answers."""

import argparse

from runtime.command_line.arguments import positive_int

OF_TABLE = ("resume", "processes", "engine", "address")
TABLES = "answers.parquet, .jsonl, .csv or .sqlite"


def add_archive_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for archives."""
    archive = parser.add_argument_group("archives")
    archive.add_argument("--list", metavar="FILE", help="a file with the names of photos, one a line; - for its input")
    archive.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="leave out files and folders of this name (*_small.jpg, thumbnails), or with a / of this path below the "
        "folder; may be repeated",
    )
    archive.add_argument(
        "--output",
        metavar="FILE",
        help=f"write a table, {TABLES}, in parts that outlast a crash. With --watch: the file to which answers are "
        "appended as JSON lines",
    )
    archive.add_argument(
        "--resume", action="store_true", help="go on with a table: answer what is new, has changed or may work now"
    )
    archive.add_argument(
        "--processes", type=positive_int, metavar="N", help="that share the CPU threads (default: one for each thread)"
    )
    archive.add_argument(
        "--engine", choices=("processes", "ray"), help="who answers: processes here (default), or a cluster of Ray"
    )
    archive.add_argument("--address", metavar="HOST:PORT", help="of the cluster (default: start Ray on this machine)")


def misplaced_archive_option(options: argparse.Namespace) -> str | None:
    """Return what is wrong if an option was given without what it belongs to, otherwise None."""
    photos = bool(options.photos or options.list)
    for name in ("list", "exclude"):
        if getattr(options, name) is not None and not photos:
            return f"--{name} is for photos"
    if options.output is not None and not (photos or options.watch):
        return "--output is for photos and --watch; without it, redirect standard output: > FILE"
    for name in OF_TABLE:
        if getattr(options, name) and not (photos and options.output):
            return f"--{name} belongs to --output, which writes a table of photos"
    if options.address and options.engine != "ray":
        return "--address belongs to --engine ray"
    if photos and options.output:
        for name in ("json", "csv", "write_xmp"):
            if getattr(options, name):
                return f"--{name.replace('_', '-')} is not for tables; the ending of --output says the format"
    return None
