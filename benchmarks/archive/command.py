"""``python -m benchmarks archive``: the page and the lists about a table of answers."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.archive.answers import MOST_LISTED, Answers, collect
from benchmarks.archive.duplicates import nearly_same, same_bytes
from benchmarks.archive.labels import FOLDERS, read_labels
from benchmarks.archive.lists import NEAR_DUPLICATES, SAME_BYTES, WRONG_LABELS, write_groups, write_wrong_labels
from benchmarks.archive.page import Findings, render_page
from benchmarks.archive.thumbnails import thumbnails
from benchmarks.archive.wrong_labels import find_wrong_labels
from benchmarks.core.harness import warn
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.files.atomic import write_text
from runtime.services.archive.tables.formats import open_table

DEFAULT_OUTPUT = Path("runs/archive")
PAGE = "sheet.html"
EXAMPLES = f"""\
examples:
  flower-infer archive/ --output answers.parquet
  {module_command("benchmarks")} archive answers.parquet
  {module_command("benchmarks")} archive answers.parquet --labels folders
  {module_command("benchmarks")} archive answers.parquet --labels labels.csv --output runs/archive

Writes {PAGE}, {SAME_BYTES} and {NEAR_DUPLICATES} to --output, and with --labels {WRONG_LABELS}.
Small pictures of the photos that the page shows are read from where flower-infer read them: run it in the same folder.
"""


def find(table: str, answers: Answers, labels: str | None) -> Findings:
    """Look for photos that come twice and for wrong labels.

    Args:
        table: the path of the table, to be shown.
        answers: of the table.
        labels: `FOLDERS`, the path of a CSV file, or None to check no labels.

    Raises:
        FlowerError: the labels cannot be used.
    """
    given = None if labels is None else read_labels(answers, labels)
    same = same_bytes(answers.contents, answers.has_content, answers.sizes)
    once = answers.has_fingerprint.copy()
    once[same.repeats()] = False
    near = nearly_same(answers.fingerprints, np.flatnonzero(once), answers.sizes)
    if given is None:
        return Findings(table, answers, same, near)
    wrong = find_wrong_labels(given.given, answers.listed, answers.shares, answers.class_count)
    return Findings(table, answers, same, near, given, wrong)


def write(findings: Findings, output: Path) -> list[Path]:
    """Write the page and the lists, each atomically, and return their paths. The page comes first."""
    answers = findings.answers
    page = render_page(findings, lambda rows: _pictures(answers, rows))
    write_groups(output / SAME_BYTES, answers, findings.same)
    write_groups(output / NEAR_DUPLICATES, answers, findings.near)
    paths = [output / PAGE, output / SAME_BYTES, output / NEAR_DUPLICATES]
    if findings.labels is not None and findings.wrong is not None:
        write_wrong_labels(output / WRONG_LABELS, answers, findings.labels.given, findings.wrong)
        paths.append(output / WRONG_LABELS)
    write_text(output / PAGE, page)
    return paths


def _pictures(answers: Answers, rows: Sequence[int]) -> dict[int, str | None]:
    found = thumbnails({row: answers.names[row] for row in rows})
    pictures = dict(tqdm(found, total=len(rows), desc="pictures", unit="photo", disable=None))
    if missing := sum(picture is None for picture in pictures.values()):
        warn([f"{missing} of {len(rows)} photos were not found; run this in the folder in which flower-infer ran"])
    return pictures


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="of answers: a Parquet folder, .jsonl, .csv or .sqlite")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help=f"look for wrong labels: '{FOLDERS}' for the names of the photos' folders, or a CSV file with the columns "
        "photo and label",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="DIR",
        help="folder for the page and the lists (default: %(default)s)",
    )


def _run(options: argparse.Namespace) -> None:
    # The number of predictions matters only for writing.
    table = open_table(options.table, MOST_LISTED)
    if not table.is_begun():
        raise FlowerError(f"{options.table}: no such table; flower-infer PHOTOS --output {options.table} makes one")
    answers = collect(tqdm(table.rows(), desc="rows", unit="row", unit_scale=True, disable=None))
    if not len(answers):
        raise FlowerError(f"{options.table}: no photos in this table")
    for path in write(find(options.table, answers, options.labels), options.output):
        print(path)


COMMAND = Command(
    description="Show on one page what is in an archive, from the table of answers that flower-infer made.",
    examples=EXAMPLES,
    add_arguments=_add_arguments,
    run=_run,
    interrupted="the page is as it was before",
)
