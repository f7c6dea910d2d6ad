"""The report on training: seeds, soup, ablations, resolutions and speed, on a schedule of seconds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.measurements import training_experiments
from benchmarks.suites import training
from finetune.network.checkpoint import load_checkpoint
from finetune.network.tensor_files import CheckpointError
from finetune.recipe import Recipe
from finetune.training.model_soup import average_checkpoints
from runtime.errors import FlowerError
from tests.conftest import SHORT

QUICK = (*SHORT, "--epochs", "1")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = [training_experiments.Experiment(f"seed-{n}", f"seed {n}", (*QUICK, "--seed", str(n))) for n in range(2)]
    reference = training_experiments.Experiment("reference", "the recipe itself", QUICK)
    ablations = [reference, training_experiments.Experiment("no-mixup", "no MixUp", (*QUICK, "--mixup", "0"))]
    monkeypatch.setattr(training, "CLAIMED", claimed)
    monkeypatch.setattr(training, "REFERENCE", reference)
    monkeypatch.setattr(training, "ABLATIONS", ablations)
    monkeypatch.setattr(training, "RESOLUTIONS", [(64, 1.0), (96, 0.875)])
    monkeypatch.setattr(
        training, "FAST", training_experiments.Experiment("fast", "`--recipe fast`", (*QUICK, "--echo", "2"))
    )
    small = Recipe(epochs=3, size=64, final_size=64, batch_size=8)
    monkeypatch.setattr(training, "RECIPES", {"default": small, "fast": replace(small, final_share=0.0, echo=2)})


def test_the_report_holds_what_was_measured_and_the_same_command_goes_on(
    quick: None, dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path / "runs"), "--rounds", "1"]
    for part in training.PARTS:
        assert training.main([*common, "--report", str(tmp_path), "--only", part]) == 0
    report = (tmp_path / "training.md").read_text()
    rows = [line for line in report.splitlines() if line.startswith("| ")]
    for name in (
        "| seed 0 |",
        "| soup |",
        "| no MixUp |",
        "| the same, BatchNorm",
        "| the same, without the averaging",
        "| 96 | 0.875 |",
        "| default recipe |",
        "| fast recipe |",
        "| plain loop, final",
        "| `--recipe fast` |",
    ):
        assert sum(row.startswith(name) for row in rows) == 1, name
    figures = json.loads((tmp_path / "training.json").read_text())
    assert len(figures["ablation"]["no-mixup"]["hits"]) == 12
    assert figures["seeds"][0]["test"]["images"] == 12
    assert figures["seeds"][0]["minutes"] > 0
    assert "minutes" not in figures["seeds"][-1]  # of the soup, which was not trained
    assert " test mean per class, % | minutes in epochs |" in report
    capsys.readouterr()
    assert training.main([*common, "--report", str(tmp_path / "again"), "--only", "seeds"]) == 0
    assert "epoch" not in capsys.readouterr().out
    again = json.loads((tmp_path / "again" / "training.json").read_text())
    assert again["seeds"] == figures["seeds"]

    runs = [tmp_path / "runs" / f"seed-{n}" / "best.pt" for n in range(2)]
    soup, parts = load_checkpoint(tmp_path / "runs" / "soup.pt"), [load_checkpoint(path) for path in runs]
    name = "layer4.2.conv3.weight"
    assert torch.allclose(soup.state_dict[name], (parts[0].state_dict[name] + parts[1].state_dict[name]) / 2)
    assert soup.provenance["soup"]["seeds"] == [0, 1]
    with pytest.raises(CheckpointError, match="at least two"):
        average_checkpoints(runs[:1])
    with pytest.raises(CheckpointError, match="in more than the seed"):
        average_checkpoints([runs[0], tmp_path / "runs" / "ablation" / "no-mixup" / "best.pt"])


def test_a_run_of_other_options_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "finished").write_text('["--weights", "others.pth"]')
    with pytest.raises(FlowerError, match="other options"):
        training_experiments.run_experiment(training_experiments.CLAIMED[0], tmp_path, ("--weights", "mine.pth"))
