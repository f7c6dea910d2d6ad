"""The suite about the runtime, on drawn photographs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import run_suite
from benchmarks.measurements.large_photos.largest_photos import measure_largest_photos
from tests.samples.drawn_flowers import draw_flower


def test_report_has_the_parts_that_were_measured(dataset: Path, tmp_path: Path) -> None:
    few = ["--limit", "4", "--rounds", "1", "--photos", "20", "--inputs", "40", "--report", str(tmp_path)]
    parts = ["cold", "many", "memory", "large", "confidence", "fuzz"]
    camera = tmp_path / "camera"
    camera.mkdir()
    draw_flower(0, np.random.default_rng(0), 1000).save(camera / "photo.jpg")
    report = run_suite("runtime", ["--data", str(dataset), "--camera-photos", str(camera), "--only", *parts, *few])
    figures = report.figures
    assert set(figures) == set(parts)
    assert figures["cold"]["rows"][0]["times"] == 1.0
    assert figures["many"]["photos"] == 4
    assert [row["photos"] for row in figures["memory"]["rows"]][-1] == 20
    assert figures["large"]["camera"]["photos"] == 1
    assert 0 <= figures["large"]["enlarged"]["difference_max"] <= 1
    assert 0 <= figures["confidence"]["passing"] <= 1
    assert [row["failures"] for row in figures["fuzz"]["rows"]] == [[], [], [], []]
    assert figures["fuzz"]["command"].startswith(f"python -m benchmarks runtime --data {dataset} --camera")
    assert figures["fuzz"]["machine"]["threads_used"] > 0
    text = report.markdown.read_text()
    for heading in (
        "Start of the process",
        "Many photos",
        "Memory over many photos",
        "Probabilities",
        "Malformed inputs",
    ):
        assert f"## {heading}" in text
    assert "## Idle" not in text


@pytest.mark.slow
def test_the_largest_photos_fit_into_512_megabytes() -> None:
    peaks = {row["name"]: row["peak_bytes"] for row in measure_largest_photos()}
    assert {name: peak for name, peak in peaks.items() if peak > 512_000_000} == {}
