"""The suite about tables of answers: the model of cost, memory and crashes."""

import json
from pathlib import Path

import pytest

from benchmarks.command_line import run_suite
from benchmarks.measurements.archive.cost_model import cost_rows, photos_per_second, serial_share
from benchmarks.measurements.archive.crash import make_links, memory_by_quarter, run_watched, table_digest
from runtime.errors import FlowerError
from tests.samples.tiny_model import save_tiny_model


def test_the_model_goes_through_the_measured_points_and_ends_at_the_main_process() -> None:
    share = serial_share(one=100, two=180)
    assert photos_per_second(1, 100, share, main_ms=0.1) == pytest.approx(100)
    assert photos_per_second(2, 100, share, main_ms=0.1) == pytest.approx(180)
    assert photos_per_second(64, 100, 0.0, main_ms=0.5) == 2000
    assert serial_share(one=100, two=210) == 0, "noise makes no share below zero"


def test_costs_of_a_million() -> None:
    one, two = {"median": 100.0, "p25": 99.0, "p75": 101.0}, {"median": 200.0, "p25": 198.0, "p75": 201.0}
    (row,) = cost_rows([{"name": "slim", "one": one, "two": two}], main_ms=0.5)
    assert row["serial_share"] == pytest.approx(2 * 101 / 198 - 1)
    assert row["core_hours"][1_000_000] == pytest.approx(1e6 / 100 / 3600)
    assert row["cores_of_main_process"] == pytest.approx(20)
    assert row["rates"][4]["low"] < row["rates"][4]["high"] == 400


def test_memory_is_the_largest_in_each_quarter() -> None:
    memory = [(0.0, 9, 9), (0.1, 1, 5), (0.2, 3, 4), (0.6, 2, 8), (1.0, 2, 7)]
    assert memory_by_quarter(memory) == [
        {"until": 0.25, "main_bytes": 3, "all_bytes": 5},
        {"until": 0.75, "main_bytes": 2, "all_bytes": 8},
        {"until": 1.0, "main_bytes": 2, "all_bytes": 7},
    ]


def test_a_failed_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FlowerError, match="no such model"):
        run_watched(["x.jpg", "--model", "gone.onnx", "--output", "x.csv"], tmp_path / "table", 1)


@pytest.mark.slow
def test_the_whole_suite(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    report = tmp_path / "report"
    options = ["--data", str(dataset), "--models", model, "--crash-model", model, "--photos", "3000", "--rounds", "1"]
    figures = run_suite("scale", [*options, "--work", str(tmp_path / "work"), "--report", str(report)]).figures
    assert [row["runs"] for row in figures["crash"]["rows"]] == [1, 4, 1]
    assert len({row["sha256"] for row in figures["crash"]["rows"]}) == 1
    assert "All tables have the same bytes" in (report / "scale.md").read_text()
    assert json.loads((report / "scale.json").read_text())["rates"]["rows"]


def test_links_are_made_once_and_tables_are_told_apart(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"1")
    make_links([photo], 3, tmp_path / "links")
    make_links([photo], 3, tmp_path / "links")
    assert [path.name for path in sorted((tmp_path / "links").rglob("*.jpg"))] == [f"000000{n}.jpg" for n in range(3)]
    digests = set()
    for name, content in (("part-0", b"a"), ("part-0", b"b"), ("part-1", b"a")):
        table = tmp_path / f"{name}-{content.decode()}"
        table.mkdir()
        (table / name).write_bytes(content)
        digests.add(table_digest(table))
    assert len(digests) == 3
