"""The report on the runtime, of drawn data: that every part measures what it says."""

import json
from pathlib import Path

import pytest

from benchmarks.command_line import main


def test_the_runtime_report(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--limit", "4", "--rounds", "1", "--photos", "20", "--inputs", "40", "--report", str(tmp_path)]
    assert main(["runtime", "--data", str(dataset), "--only", "cold", "many", "memory", "confidence", *few]) == 0
    assert main(["runtime", "--data", str(dataset), "--only", "fuzz", *few]) == 0
    figures = json.loads((tmp_path / "runtime.json").read_text())
    assert set(figures) == {"cold", "many", "memory", "confidence", "fuzz"}
    floor, *_ = (row["times"] for row in figures["cold"]["rows"])
    assert floor == 1.0
    assert figures["many"]["photos"] == 4
    assert [row["photos"] for row in figures["memory"]["rows"]][-1] == 20
    assert figures["confidence"]["strangers"]["images"] > 0
    assert [row["bad"] for row in figures["fuzz"]["rows"]] == [[], [], []]
    text = (tmp_path / "runtime.md").read_text()
    for heading in ("Cold start", "Many photos", "Memory over many photos", "Probabilities", "Malformed inputs"):
        assert f"## {heading}" in text
    assert "## Idle" not in text
