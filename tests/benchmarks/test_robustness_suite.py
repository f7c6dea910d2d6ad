"""The suite about worse photographs, with a tiny model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import run_suite
from benchmarks.measurements.corruptions import CORRUPTIONS, corrupted_views
from finetune.data.dataset import read_split
from runtime.photos.preprocessing import Preprocessing
from tests.samples.tiny_model import INFO, tiny_model


def test_report_has_a_row_for_each_corruption(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "tiny.onnx"
    training = {"provenance": {"train_split": "train", "test_sha256": "of other photographs"}}
    info = replace(INFO, classes=read_split(dataset, "test").classes, threshold=0.4, training=training)
    model.write_bytes(tiny_model(info, classes=4).SerializeToString())
    report = run_suite("robustness", ["--model", str(model), "--data", str(dataset), "--report", str(tmp_path / "out")])
    assert "photographs of test were added, removed or changed since the training" in capsys.readouterr().err
    rows = {row["name"]: row for row in report.figures["rows"]}
    assert list(rows) == ["clean", *(corruption.name for corruption in CORRUPTIONS)]
    # A grey picture has three equal logits: the answer is the first class, with too low a probability for a name.
    assert rows["grey"]["top1"] == 0.25
    assert rows["grey"]["named"] == 0
    assert rows["grey"]["right_of_named"] is None
    # The model takes the mean colour, which turning does not change.
    assert rows["turned"]["top1"] == rows["clean"]["top1"]
    assert rows["clean"]["named"] > 0
    text = report.markdown.read_text()
    assert "{{" not in text
    assert all(f"| {corruption.description} |" in text for corruption in CORRUPTIONS)


def test_corruptions_are_the_same_in_every_run(dataset: Path) -> None:
    paths = read_split(dataset, "test").paths[:3]
    preprocessing = Preprocessing(size=96)  # so large that no photograph is decoded at a reduced size
    first, again = (list(corrupted_views(paths, preprocessing, threads=threads)) for threads in (1, 2))
    assert np.array_equal(first, again)
    assert np.shape(first) == (3, 1 + len(CORRUPTIONS), 96, 96, 3)
    for photograph, path in zip(first, paths, strict=True):
        assert np.array_equal(photograph[0], preprocessing(path))
        same = [np.array_equal(view, photograph[0]) for view in photograph[1:]]
        # The drawn photographs are already as small as a thumbnail.
        assert [corruption.name for corruption, is_same in zip(CORRUPTIONS, same, strict=True) if is_same] == [
            "thumbnail"
        ]
