"""Options for archives that were given without what they belong to."""

import pytest

from runtime.command_line.archive.options import misplaced_archive_option
from runtime.command_line.flower_infer import build_parser, main

TABLE = ["photos/", "--output", "answers.csv"]


def problem(*arguments: str) -> str | None:
    return misplaced_archive_option(build_parser().parse_args(arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        TABLE,
        ["photos/", "--exclude", "a", "--exclude", "b"],
        ["--list", "names.txt", "--output", "answers.parquet", "--resume"],
        ["--watch", "photos/", "--output", "log.jsonl"],
        [*TABLE, "--engine", "ray", "--address", "host:6379"],
        [*TABLE, "--processes", "2", "--top", "3", "--gps", "--language", "de", "--quiet"],
    ],
)
def test_options_that_belong_together(arguments: list[str]) -> None:
    assert problem(*arguments) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera", "0", "--output", "x.csv"], "--output is for photos and --watch"),
        (["--watch", "photos/", "--exclude", "a"], "--exclude is for photos"),
        (["photos/", "--resume"], "--resume belongs to --output"),
        (["--watch", "photos/", "--output", "x.jsonl", "--processes", "2"], "--processes belongs to --output"),
        ([*TABLE, "--address", "host:6379"], "--address belongs to --engine ray"),
        ([*TABLE, "--csv"], "--csv is not for tables"),
        ([*TABLE, "--write-xmp"], "--write-xmp is not for tables"),
    ],
)
def test_misplaced_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (problem(*arguments) or "").startswith(message)
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]
