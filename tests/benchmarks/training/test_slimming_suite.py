"""The suite about the levers of a smaller network: training, files, times and report, and what the figures say."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import run_suite
from benchmarks.core.comparisons import mean_difference
from benchmarks.measurements.training.int8_files import as_digits, from_digits
from benchmarks.measurements.training.levers import Point, compare_levers, pareto_front
from benchmarks.measurements.training.slim_networks import CONTROL, SlimPlan, macs_option, network_widths, slim_plan
from benchmarks.suites.training import slimming
from finetune.data.dataset import read_split
from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from finetune.network.photo_network import PhotoNetwork
from finetune.run.output_folder import BEST_CHECKPOINT
from finetune.slimming.budget import count_macs
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing
from tests.samples.small_network import small_network

IMAGES = 1000
PLANS = {"control": (1.0, 0), "narrow": (0.5, 0), "short": (1.0, 2), "both": (0.5, 2)}


def plan_of(network: str) -> dict[str, float] | None:
    return None if network == "full" else dict(zip(("work", "drop_blocks"), PLANS[network], strict=True))


def point(network: str, size: int, ms: float, right: int) -> Point:
    hits = as_digits(np.arange(IMAGES) < right)
    return Point({"network": network, "plan": plan_of(network), "size": size, "p50_ms": ms, "hits": hits})


def test_the_front_has_no_point_that_another_one_beats() -> None:
    slow, fast = point("full", 224, 40, 920), point("narrow", 160, 10, 900)
    beaten, as_good = point("control", 160, 20, 890), point("control", 224, 40, 920)
    assert pareto_front([slow, beaten, fast, as_good]) == [fast, slow]


def test_levers_are_compared_at_equal_time_from_the_most_accurate_size() -> None:
    points = [
        *(point("full", 224, 40, 950), point("full", 80, 5, 940), point("control", 224, 40, 880)),
        *(point("control", 160, 20, 900), point("control", 80, 5, 800)),
        *(point("narrow", 160, 8, 890), point("narrow", 80, 2, 850)),
        *(point("short", 160, 18, 890), point("both", 80, 2, 700)),
    ]
    result = compare_levers(points)
    assert result is not None
    assert (result["start"]["network"], result["start"]["size"]) == ("control", 160)
    rows = {row["speed"]: row for row in result["rows"]}
    # Twice as fast is 10 ms: half of the way from 20 to 5 ms in the logarithm, and 0.756 of that from 20 to 8 ms.
    assert rows[2.0]["levers"]["size"][0] == pytest.approx(-0.05)
    assert rows[2.0]["levers"]["widths"][0] == pytest.approx(-0.01 * np.log(2) / np.log(2.5))
    assert "blocks" not in rows[2.0]["levers"]
    assert rows[2.0]["least"] == "widths"
    assert rows[2.0]["ahead"][1][0] > 0
    assert rows[2.0]["best"]["network"] == "narrow"
    assert set(rows[4.0]["levers"]) == {"size"}
    assert rows[4.0]["ahead"] is None
    assert compare_levers([each for each in points if each.figures["network"] != "control"]) is None


def test_difference_of_the_same_answers_has_an_interval() -> None:
    mean, (low, high) = mean_difference(np.zeros(IMAGES))
    assert mean == 0
    assert -0.01 < low < 0 < high < 0.01
    assert from_digits("0110").tolist() == [False, True, True, False]


def test_networks_are_named_by_work_and_blocks() -> None:
    assert slim_plan("0.45/4") == SlimPlan(0.45, 4)
    assert [slim_plan(text).title for text in ("1/0", "1/4", "0.5/0", "0.5/2")] == [
        "nothing removed", "4 blocks fewer", "0.5 of the work", "0.5 of the work, 2 blocks fewer"
    ]  # fmt: skip
    for text in ("0.5", "2/0", "0/0", "0.5/6", "0.5/-1", "nan/0", "half/0"):
        with pytest.raises(argparse.ArgumentTypeError, match="WORK/BLOCKS"):
            slim_plan(text)


def never_called(*arguments: object) -> None:
    raise AssertionError(arguments)


def test_report_shows_levers_and_no_network_of_other_files() -> None:
    networks: dict[str, Any] = {
        name: {"title": name, "plan": plan_of(name), "sha256": name, "size": 160, "widths": []}
        for name in ("full", *PLANS)
    }
    points, files = {}, {}
    for network, size, ms, right in (
        *(("full", 160, 30, 950), ("control", 160, 20, 900), ("control", 80, 5, 800)),
        *(("narrow", 160, 8, 890), ("short", 160, 15, 700), ("gone", 160, 1, 999)),
    ):
        name, hits = f"{network}-{size}", as_digits(np.arange(IMAGES) < right)
        made_from = {"made_from": {"checkpoint_sha256": network}}
        points[name] = {"network": network, "size": size, "hits": hits, "sha256": name, "macs": 1, **made_from}
        files[name] = {"sha256": name, "p50_ms": ms}
    points["both-80"] = {**points["control-80"], "network": "both"}  # made from an earlier network of this name
    figures = {"networks": {"rows": networks}, "accuracy": {"points": points}, "times": {"files": files}}
    values = slimming.template_values(figures)
    assert [row["network"] for row in values["rows"]] == ["full", "control", "control", "narrow", "short"]
    assert [row["best"]["network"] for row in values["comparison"]["rows"]] == ["narrow"] * 3 + ["control"] * 2
    assert values["comparison"]["rows"][0]["least"] == "widths"


def test_size_of_the_full_network_is_needed(tmp_path: Path) -> None:
    figures = {"networks": {"rows": {"full": {"size": 64}}}, "accuracy": {"points": {"full-48": {}}}}
    (tmp_path / "slimming.json").write_text(json.dumps(figures))
    with pytest.raises(FlowerError, match="--sizes must include 64"):
        run_suite("slimming", ["--only", "times", "--report", str(tmp_path)])


@pytest.fixture
def full_network(dataset: Path, tmp_path: Path) -> Path:
    """A checkpoint of the small network with random weights, for photos of 64 pixels."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    classes, path = read_split(dataset, "train").classes, tmp_path / "full" / BEST_CHECKPOINT
    path.parent.mkdir()
    with small_network():
        weights = PhotoNetwork(len(classes)).resnet.state_dict()
    save_checkpoint(Checkpoint(weights, classes, Preprocessing(64), {}, {}, {"train_split": "train"}, {}), path)
    return path


def test_work_is_counted_for_photos_of_the_size_of_the_training(full_network: Path) -> None:
    full = load_checkpoint(full_network)
    with small_network():
        all_work = macs_option(CONTROL, full, 48)
        assert macs_option(SlimPlan(0.5, 0), full, 48) == pytest.approx(all_work / 2, abs=1e-4)
        widths = network_widths(full)
        assert 0 <= all_work - count_macs(widths, 48) / count_macs(widths, 64) < 1e-4
        with pytest.raises(FlowerError, match="--size must be smaller than the full network's photos, 64 pixels"):
            macs_option(CONTROL, full, 64)


def test_report_has_all_parts_and_nothing_is_made_twice(
    full_network: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(slimming, "RUNS", 2)
    options = [
        *("--checkpoint", str(full_network), "--data", str(dataset), "--networks", "1/0"),
        *("--epochs", "1", "--size", "48", "--sizes", "48", "64", "--calibration", "6"),
        *("--rounds", "1", "--threads", "1", "--output", str(tmp_path / "out"), "--report", str(tmp_path / "report")),
    ]
    with small_network():
        with pytest.raises(FlowerError, match="no part 'networks' yet"):
            run_suite("slimming", [*options, "--only", "accuracy"])
        first = run_suite("slimming", [*options, "--only", "networks", "accuracy"])
        assert "The times were not measured yet." in first.markdown.read_text()
        assert not (tmp_path / "report" / "slimming.png").exists()
        assert "epoch" in capsys.readouterr().out
        monkeypatch.setattr(slimming, "write_int8_file", never_called)
        report = run_suite("slimming", options)
        assert "epoch" not in capsys.readouterr().out
    assert report.figures["accuracy"]["points"] == first.figures["accuracy"]["points"]
    networks: dict[str, Any] = report.figures["networks"]["rows"]
    assert list(networks) == ["full", CONTROL.name]
    assert networks[CONTROL.name]["macs_share"] == 1
    assert load_checkpoint(tmp_path / "out" / CONTROL.name / BEST_CHECKPOINT).provenance["train_split"] == "train"
    assert set(report.figures["times"]["files"]) == {
        f"{name}-{size}" for name in ("full", CONTROL.name) for size in (48, 64)
    }
    text = report.markdown.read_text()
    assert sum(line.startswith("| the full network | 64 |") for line in text.splitlines()) == 1
    assert (tmp_path / "report" / "slimming.png").is_file()

    (tmp_path / "out" / "files" / "full-64.onnx").write_bytes(b"another file")
    with pytest.raises(FlowerError, match="not the file of the part accuracy"):
        run_suite("slimming", [*options, "--only", "times"])


def test_full_network_that_knows_the_validation_photographs_is_rejected(
    full_network: Path, dataset: Path, tmp_path: Path
) -> None:
    known = replace(load_checkpoint(full_network), provenance={"train_split": "train+val"})
    save_checkpoint(known, full_network)
    options = ["--checkpoint", str(full_network), "--data", str(dataset), "--report", str(tmp_path / "report")]
    with pytest.raises(FlowerError, match="trained on the validation photographs"):
        run_suite("slimming", options)
