"""The report on calibration: every method, measured in a process of its own."""

import json
from pathlib import Path

import pytest

from benchmarks.command_line import main
from benchmarks.suites.calibration import _launched
from export.quantization.ranges import METHODS
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing


@pytest.mark.slow
def test_every_method_is_measured(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--report", str(tmp_path)]
    assert main(["calibration", *arguments, "--limit", "2"]) == 0
    rows = json.loads((tmp_path / "calibration.json").read_text())["rows"]
    assert [row["method"] for row in rows] == [*METHODS, "quantize_static"]
    weights = (run_folder / "best.pt").stat().st_size
    assert all(row["peak_bytes"] > weights and row["seconds"] > 0 for row in rows)
    report = (tmp_path / "calibration.md").read_text()
    for row in rows:
        assert f"{row['method']}" in report
        assert f"| {row['peak_bytes'] / 1e6:.0f} |" in report
    assert "val (2 of 12 images)" in report


def test_what_goes_wrong_in_a_process_is_one_line(dataset: Path) -> None:
    rule = json.dumps(Preprocessing(size=64).to_dict())
    with pytest.raises(FlowerError, match=r"^minmax: .*nowhere\.onnx"):
        _launched("benchmarks.workers.calibration_method", ["minmax", "nowhere.onnx", str(dataset), "1", rule])
