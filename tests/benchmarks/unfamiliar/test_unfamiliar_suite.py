"""The suite about photographs that a model may not know, on plain pictures with a tiny model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import run_suite
from benchmarks.command_line import main
from benchmarks.measurements.unfamiliar.photo_sets import UNKNOWN, read_photo_sets
from benchmarks.measurements.unfamiliar.scores import checkpoint_scores, score_figures
from finetune.data.dataset import read_split
from runtime.errors import FlowerError
from runtime.inference.model_file import Cuts
from tests.samples.tiny_model import INFO, save_tiny_model

CLASSES = {"a red": (250, 0, 0), "b green": (0, 250, 0), "c blue": (0, 0, 250)}
YELLOW, ORANGE, DARK_RED = (250, 250, 0), (250, 100, 0), (60, 0, 0)


def paint(folder: Path, colour: tuple[int, int, int], count: int) -> None:
    """Write plain pictures whose colours differ a little."""
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (20, 20), tuple(max(0, value - index) for value in colour)).save(folder / f"{index}.png")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set, and folders of other pictures."""
    root = tmp_path_factory.mktemp("pictures")
    for name, colour in CLASSES.items():
        for split in ("train", "val", "test"):
            paint(root / "data" / split / name, colour, 4)
    paint(root / "same" / "b green", CLASSES["b green"], 3)
    paint(root / "other" / "yellow", YELLOW, 5)
    paint(root / "other" / "orange", ORANGE, 2)
    paint(root / "without", DARK_RED, 6)
    return root


def options(root: Path, model: Path, report: Path) -> list[str]:
    named = [f"--{kind}-flowers={root / kind}" for kind in ("same", "other", "without")]
    return ["--model", str(model), "--data", str(root / "data"), *named, "--report", str(report)]


@pytest.mark.parametrize("with_familiarity", [True, False])
def test_report_has_verdicts_scores_and_mistakes(folders: Path, tmp_path: Path, with_familiarity: bool) -> None:
    model = save_tiny_model(
        tmp_path / "tiny.onnx", with_familiarity=with_familiarity, classes=tuple(CLASSES), threshold=0.8,
        familiarity_threshold=0.5, strict=Cuts(0.99, 0.9),
        familiarity={"expected_named": 95.5, "interval": [93.1, 97.2], "photographs": 100},
    )  # fmt: skip
    report = run_suite("unfamiliar", options(folders, model, tmp_path / "report"))
    figures = report.figures
    rows = {row["name"]: row for row in figures["rules"][0]["rows"]}
    assert list(rows) == ["test", "b green", "orange", "yellow", "without"]
    assert [row["images"] for row in rows.values()] == [12, 3, 2, 5, 6]
    assert rows["test"]["named"] == rows["test"]["right_of_named"] == rows["b green"]["right_of_named"] == 1
    assert rows["yellow"]["between"] == 1
    assert rows["orange"]["named"] == 1
    assert rows["without"]["unfamiliar" if with_familiarity else "named"] == 1
    wrong = {"other": 2} if with_familiarity else {"other": 2, "without": 6}
    assert figures["mistakes"] == {"all": sum(wrong.values()), **wrong}
    assert figures["rules"][0]["pooled"]["wrong"] == pytest.approx(sum(wrong.values()) / (15 + sum(wrong.values())))
    assert len(figures["rules"]) == (4 if with_familiarity else 2)
    scores = {score["name"]: score for score in figures["scores"]}
    assert ("familiarity" in scores) == with_familiarity
    assert scores["softmax maximum"]["other"]["auroc"] == scores["energy"]["without"]["auroc"] == 1
    assert (tmp_path / "report" / "unfamiliar-mistakes.jpg").read_bytes().startswith(b"\xff\xd8")
    assert (tmp_path / "report" / "unfamiliar-risk.png").read_bytes().startswith(b"\x89PNG")
    markdown, page = report.markdown.read_text(), (tmp_path / "report" / "unfamiliar.html").read_text()
    for text in (markdown, page):
        assert "{{" not in text
        assert "other flowers: orange" in text
        assert "93.1 to 97.2" in text
    assert page.count("data:image/jpeg;base64,") == page.count("data:image/png;base64,") == 1


def test_sheet_can_be_left_out(folders: Path, tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", classes=tuple(CLASSES))
    report = run_suite("unfamiliar", [*options(folders, model, tmp_path / "report"), "--no-sheet", "--limit", "2"])
    assert report.figures["mistakes_shown"] == 0
    assert [row["images"] for row in report.figures["rules"][0]["rows"]] == [2, 2, 2, 2, 2]
    assert not (tmp_path / "report" / "unfamiliar-mistakes.jpg").exists()


def test_folder_without_class_and_missing_folder_are_one_line(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", classes=tuple(CLASSES))
    common = ["unfamiliar", "--model", str(model), "--data", str(folders / "data"), "--report", str(tmp_path / "out")]
    for more, message in (
        ([], "there is nothing to measure"),
        (["--same-flowers", str(folders / "other")], "'orange' is no class of the model"),
        (["--same-flowers", str(folders / "without")], "is in no subfolder"),
        (["--other-flowers", str(tmp_path / "none")], "no such folder"),
    ):
        assert main([*common, *more]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_scores_of_a_checkpoint(dataset: Path, run_folder: Path, folders: Path) -> None:
    test = read_split(dataset, "test")
    sets = read_photo_sets(test, same=None, other=None, without=folders / "without", limit=3)
    assert np.array_equal(sets[1].photographs.labels, np.full(3, UNKNOWN))
    scores, fitted_on = checkpoint_scores(run_folder / "best.pt", dataset, INFO, sets)
    assert fitted_on == "train (24 images)"
    for score in scores:
        assert [len(values) for values in score.values] == [3, 3]
        assert np.isfinite(np.concatenate(score.values)).all()
        assert 0 <= score_figures(score, sets)["without"]["auroc"] <= 1
    other = replace(INFO, training={"checkpoint_sha256": "0" * 64})
    with pytest.raises(FlowerError, match="not made from this checkpoint"):
        checkpoint_scores(run_folder / "best.pt", dataset, other, sets)
