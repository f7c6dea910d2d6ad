"""The suite about calibration: every method, measured in a process of its own."""

import json
from pathlib import Path

import pytest

from benchmarks import run_suite
from benchmarks.core.process_timing import measure_worker
from export.quantization.ranges import METHODS
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing


@pytest.mark.slow
def test_every_method_is_measured(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    checkpoint = run_folder / "best.pt"
    arguments = ["--checkpoint", str(checkpoint), "--data", str(dataset), "--report", str(tmp_path), "--limit", "2"]
    report = run_suite("calibration", arguments)
    rows = report.figures["cost"]["rows"]
    assert [row["method"] for row in rows] == [*METHODS, "quantize_static"]
    assert all(row["peak_bytes"] > checkpoint.stat().st_size and row["seconds"] > 0 for row in rows)
    text = report.markdown.read_text()
    for row in rows:
        assert f"{row['method']}" in text
        assert f"| {row['peak_bytes'] / 1e6:.0f} |" in text
    assert "val (2 of 12 images)" in text
    quality = report.figures["quality"]["rows"]
    assert [row["title"] for row in quality][: len(METHODS)] == list(METHODS)
    assert sum(row["is_best"] for row in quality) == 1


def test_error_in_a_worker_is_one_line(dataset: Path) -> None:
    preprocessing = json.dumps(Preprocessing(size=64).to_dict())
    with pytest.raises(FlowerError, match=r"^minmax: .*nowhere\.onnx"):
        measure_worker("minmax", "calibration_method", "minmax", "nowhere.onnx", str(dataset), "1", preprocessing)
