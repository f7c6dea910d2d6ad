"""The harness: the registry of suites, what it records, merging of parts, and the committed reports."""

import argparse
import ast
import json
import re
import shutil
from pathlib import Path

import pytest

import benchmarks
import benchmarks.suites
from benchmarks import run_suite
from benchmarks.command_line import PROGRAM
from benchmarks.core import rendering
from benchmarks.core.harness import Figures, Run, Suite, make_report, suite_command
from benchmarks.suites import DEFAULT_SUITE, load_suite, suite_names, suite_summary
from runtime.errors import FlowerError

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
WITHOUT_REPORT = {"gpu"}
"""Suites that were never run on what they measure."""


def parse(suite: Suite, *arguments: str) -> argparse.Namespace:
    """The options of a suite that is not in the registry."""
    parser = argparse.ArgumentParser()
    suite_command("example", suite).add_arguments(parser)
    options = parser.parse_args(arguments)
    options.command_line = "python -m benchmarks example"
    return options


@pytest.mark.parametrize("name", [name for name in suite_names() if name not in WITHOUT_REPORT])
def test_committed_reports_match_their_templates(name: str) -> None:
    suite = load_suite(name)
    folder = ROOT / "benchmarks" / "report"
    report = suite.report_name(name)
    text = (folder / f"{report}.json").read_text(encoding="utf-8")
    figures = json.loads(text)
    assert text == json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    for file, expected in rendering.render_report(
        report, {**figures, **suite.template_values(figures)}, folder
    ).items():
        assert (folder / file).read_text(encoding="utf-8") == expected


def test_names_of_classes_are_no_markup() -> None:
    assert rendering.cell("a|b <b>`x`\n_y_") == r"a\|b \<b\>\`x\` \_y\_"
    assert rendering.cell(None) == ""


def test_committed_commands_are_understood() -> None:
    for path in (ROOT / "benchmarks" / "report").glob("*.json"):
        for command in re.findall(r'"command": "python -m benchmarks(.*)"', path.read_text(encoding="utf-8")):
            PROGRAM.parse(command.split())


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_is_complete(name: str) -> None:
    suite = load_suite(name)
    assert (suite.measure is None) == bool(suite.parts)
    assert "{command}" in suite.examples
    assert len(suite_summary(name)) > 10
    assert len(list((rendering.TEMPLATES / "markdown").rglob(f"{suite.report_name(name)}.md.jinja"))) == 1
    assert name == DEFAULT_SUITE or name in PROGRAM.subcommands


def test_unknown_suite_is_rejected() -> None:
    with pytest.raises(FlowerError, match=r"no suite 'nothing'; choose from: calibration, .*web"):
        run_suite("nothing")


def test_front_door_of_the_package_is_lazy() -> None:
    assert benchmarks.run_suite is run_suite
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        benchmarks.nothing  # noqa: B018  (the access is the test)


def test_suite_of_the_document_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    source = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "SUITE = Suite(" in block)
    template = next(iter(re.findall(r"```jinja\n(.*?)```", text, re.S)))
    (tmp_path / "sorting.py").write_text(source)
    (tmp_path / "markdown").mkdir()
    (tmp_path / "markdown" / "sorting.md.jinja").write_text(template)
    shutil.copytree(rendering.TEMPLATES / "shared", tmp_path / "shared")
    monkeypatch.setattr(benchmarks.suites, "__path__", [*benchmarks.suites.__path__, str(tmp_path)])
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)
    assert "sorting" in suite_names()
    assert suite_summary("sorting") == ast.get_docstring(ast.parse(source)).rstrip(".")  # type: ignore[union-attr]  # it has one
    suite = load_suite("sorting")
    options = parse(suite, "--numbers", "100", "--rounds", "2", "--report", str(tmp_path / "report"))
    report = make_report("sorting", suite, options)
    assert "| sorted |" in report.markdown.read_text()
    assert [path.name for path in report.files] == ["sorting.md", "sorting.json"]
    assert report.figures["command"] == "python -m benchmarks example"
    assert report.figures["machine"]["versions"]["python"]


@pytest.fixture
def suite_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Two parts that count how often they were measured."""
    (tmp_path / "templates" / "markdown").mkdir(parents=True)
    (tmp_path / "templates" / "markdown" / "example.md.jinja").write_text("{{ first }} {{ second }} {{ sum }}\n")
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path / "templates")

    def count(name: str, run: Run) -> None:
        run.figures[name] = run.figures.get(name, 0) + 1

    def check(figures: Figures) -> None:
        if figures.get("second", 0) > 1:
            raise FlowerError("measured twice")

    return Suite(
        description="",
        examples="",
        add_arguments=lambda _: None,
        parts={"first": lambda run: count("first", run), "second": lambda run: count("second", run)},
        template_values=lambda figures: {"sum": sum(figures.values())},
        check=check,
    )


def test_parts_of_earlier_runs_stay_in_the_report(suite_in_parts: Suite, tmp_path: Path) -> None:
    place = ("--report", str(tmp_path))
    report = make_report("example", suite_in_parts, parse(suite_in_parts, "--only", "first", *place))
    assert report.figures == {"first": 1}
    report = make_report("example", suite_in_parts, parse(suite_in_parts, "--only", "second", "first", *place))
    assert json.loads((tmp_path / "example.json").read_text()) == report.figures == {"first": 2, "second": 1}
    assert report.markdown.read_text() == "2 1 3\n"


def test_failed_check_is_raised_after_the_report_was_written(suite_in_parts: Suite, tmp_path: Path) -> None:
    options = parse(suite_in_parts, "--report", str(tmp_path))
    make_report("example", suite_in_parts, options)
    with pytest.raises(FlowerError, match="measured twice"):
        make_report("example", suite_in_parts, options)
    assert (tmp_path / "example.md").read_text() == "2 2 4\n"


def test_interrupted_part_leaves_the_parts_before_it(suite_in_parts: Suite, tmp_path: Path) -> None:
    def interrupt(run: Run) -> None:
        run.figures["second"] = 100
        raise KeyboardInterrupt

    suite = Suite("", "", lambda _: None, parts={**suite_in_parts.parts, "second": interrupt})
    with pytest.raises(KeyboardInterrupt):
        make_report("example", suite, parse(suite, "--report", str(tmp_path)))
    assert json.loads((tmp_path / "example.json").read_text()) == {"first": 1}


def test_picture_has_the_photo_and_the_answer(photo: Path, tmp_path: Path) -> None:
    from PIL import Image

    output = tmp_path / "answer.png"
    assert PROGRAM.main(["picture", str(photo), "--output", str(output)]) == 0
    with Image.open(output) as picture:
        assert picture.format == "PNG"
        assert picture.height == 360
        assert picture.width > 2 * picture.height
