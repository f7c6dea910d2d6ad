"""Two tiny models side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import run_suite
from benchmarks.core.plots import tradeoff_plot
from finetune.data.dataset import read_split
from runtime import FlowerError
from tests.samples.tiny_model import INFO, tiny_model


@pytest.fixture
def models(dataset: Path, tmp_path: Path) -> list[Path]:
    """The same network with two thresholds."""
    paths = []
    for name, threshold in (("first", 0.0), ("careful", 1.0)):
        info = replace(INFO, classes=read_split(dataset, "test").classes, threshold=threshold)
        paths.append(tmp_path / f"{name}.onnx")
        paths[-1].write_bytes(tiny_model(info, classes=4).SerializeToString())
    return paths


def test_report_compares_with_the_first_file(models: list[Path], dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ["--data", str(dataset), "--rounds", "2", "--threads", "1", "--report", str(output)]
    report = run_suite("compare", ["--models", *map(str, models), *options])
    first, careful = report.figures["rows"]
    assert (first["name"], careful["name"]) == ("first", "careful")
    assert careful["accuracy"]["against_reference"]["agreement"] == 1
    assert (first["named"], careful["named"], careful["right_of_named"]) == (1, 0, None)
    assert (first["same_verdict"], careful["same_verdict"]) == (1, 0)
    for row in (first, careful):
        for quantity in ("network", "answer", "start"):
            assert 0 < row[quantity]["p25_ms"] <= row[quantity]["p75_ms"]
        assert row["many_per_second"] > 0
    assert first["network"]["ratio"] == {"median": 1, "p25": 1, "p75": 1}
    text = report.markdown.read_text()
    assert "{{" not in text
    assert "no names" in text
    assert (output / "compare.png").read_bytes() == tradeoff_plot(report.figures["rows"])


def test_files_of_the_same_name_are_an_error(models: list[Path], dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(FlowerError, match="same name"):
        run_suite(
            "compare",
            ["--models", str(models[0]), str(models[0]), "--data", str(dataset), "--report", str(tmp_path / "out")],
        )
