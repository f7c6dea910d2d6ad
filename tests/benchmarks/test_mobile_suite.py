"""The benchmark of the mobile bundle."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.command_line import main
from benchmarks.suites import mobile
from finetune.data.dataset import read_split
from tests.samples.tiny_model import INFO, tiny_model


def test_report_contains_the_measurements(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobile, "PHOTOS", {"a small photo": (50, 70)})
    model = tmp_path / "tiny.onnx"
    info = replace(INFO, classes=read_split(dataset, "test").classes)
    model.write_bytes(tiny_model(info, classes=4).SerializeToString())
    arguments = ["mobile", "--model", str(model), "--data", str(dataset), "--rounds", "2", "--report", str(tmp_path)]
    assert main(arguments) == 0
    figures = json.loads((tmp_path / "mobile.json").read_text())
    assert {"flowers.ort", "flowers-16.ort", "README.md", "manifest.json"} < {row["file"] for row in figures["files"]}
    assert [row["agreement"] for row in figures["checks"]] == [1, 1]
    runtime = "runtime, tiny.onnx"
    assert [row["contestant"] for row in figures["latency"]] == [runtime, "flowers-16.ort", runtime, "flowers.ort"]
    text = (tmp_path / "mobile.md").read_text()
    assert "{{" not in text
    for row in figures["latency"]:
        assert f"| {row['picture']} | {row['contestant']} | {row['p50_ms']:.1f} |" in text
