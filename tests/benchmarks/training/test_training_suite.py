"""The suite about training, on a schedule of seconds: seeds, soup, ablations, resolutions and speed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import run_suite
from benchmarks.measurements.training import speed as training_speed
from benchmarks.measurements.training.experiments import SEED_RUNS, Experiment, run_experiment
from benchmarks.suites.training import training
from finetune.network.checkpoint import load_checkpoint
from finetune.network.tensor_files import CheckpointError
from finetune.recipe import Recipe
from finetune.training.model_soup import average_checkpoints
from runtime.errors import FlowerError
from tests.samples.schedule import SHORT

QUICK = (*SHORT, "--epochs", "1", "--limit", "16", "--head", "random")


@pytest.fixture
def quick_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds, one ablation and small recipes in the place of the real ones."""
    seeds = [Experiment(f"seed-{n}", f"seed {n}", (*QUICK, "--seed", str(n))) for n in range(2)]
    reference = Experiment("reference", "the default recipe", QUICK)
    monkeypatch.setattr(training, "SEED_RUNS", seeds)
    monkeypatch.setattr(training, "SEEDS", (0, 1))
    monkeypatch.setattr(training, "REFERENCE", reference)
    monkeypatch.setattr(
        training, "ABLATIONS", [reference, Experiment("no-mixup", "no MixUp", (*QUICK, "--mixup", "0"))]
    )
    monkeypatch.setattr(training, "RESOLUTIONS", [(64, 1.0), (96, 0.875)])
    monkeypatch.setattr(training, "FAST", Experiment("fast", "`--recipe fast`", (*QUICK, "--echo", "2")))
    monkeypatch.setattr(training_speed, "IMAGES", 8)
    small = Recipe(epochs=3, size=64, final_size=64, batch_size=8)
    monkeypatch.setattr(training, "RECIPES", {"default": small, "fast": replace(small, final_share=0.0, echo=2)})


def test_report_has_all_parts_and_complete_runs_are_not_repeated(
    quick_experiments: None, dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path / "runs"), "--rounds", "1"]
    report = run_suite("training", [*common, "--report", str(tmp_path)])
    text = report.markdown.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for start in (
        "| seed 0 |",
        "| soup |",
        "| no MixUp |",
        "| the same, BatchNorm",
        "| the same, without the average",
        "| 96 | 0.875 |",
        "| default recipe |",
        "| fast recipe |",
        "| plain loop, final",
        "| `--recipe fast` |",
    ):
        assert sum(row.startswith(start) for row in rows) == 1, start
    figures = json.loads((tmp_path / "training.json").read_text())
    assert set(figures["signatures"]) == set(training.PARTS)
    assert {seed: len(hits) for seed, hits in figures["ablation"]["no-mixup"]["hits"].items()} == {"0": 12, "1": 12}
    assert figures["seeds"][0]["test"]["images"] == 12
    assert figures["seeds"][0]["minutes"] > 0
    assert "minutes" not in figures["seeds"][-1]  # the soup is not trained
    assert " test mean per class, % | minutes in epochs |" in text

    capsys.readouterr()
    again = run_suite("training", [*common, "--report", str(tmp_path / "again"), "--only", "seeds"])
    assert "epoch" not in capsys.readouterr().out
    assert again.figures["seeds"] == figures["seeds"]

    runs = [tmp_path / "runs" / f"seed-{n}" / "best.pt" for n in range(2)]
    soup, parts = load_checkpoint(tmp_path / "runs" / "soup.pt"), [load_checkpoint(path) for path in runs]
    name = "layer4.2.conv3.weight"
    assert torch.allclose(soup.state_dict[name], (parts[0].state_dict[name] + parts[1].state_dict[name]) / 2)
    assert soup.provenance["soup"]["seeds"] == [0, 1]
    with pytest.raises(CheckpointError, match="at least two"):
        average_checkpoints(runs[:1])
    with pytest.raises(CheckpointError, match="in more than the seed"):
        average_checkpoints([runs[0], tmp_path / "runs" / "ablation" / "no-mixup-seed-0" / "best.pt"])


def test_run_with_other_options_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "finished").write_text('["--weights", "others.pth"]')
    with pytest.raises(FlowerError, match="other options"):
        run_experiment(SEED_RUNS[0], tmp_path, ("--weights", "mine.pth"))


def test_ablations_of_another_schedule_or_version_are_left_out() -> None:
    def entry(options: str, schedule: list[str], hits: object) -> dict[str, object]:
        return {"change": "", "options": options, "schedule": schedule, "hits": hits}

    hits = {"0": "1100", "1": "1010"}
    current = {"reference": entry("", training.SCHEDULE, hits), "no-mixup": entry("--mixup 0", training.SCHEDULE, hits)}
    others = {
        "freeze-4": entry("--freeze 4", ["--epochs", "9"], hits),
        "no-erasing": entry("--erasing 0.5", training.SCHEDULE, hits),
        "no-final": {"change": "", "options": "--final-share 0", "hits": "1110"},  # as version 0.3 wrote it
    }
    rows = training.template_values({"ablation": {**current, **others}})["ablation_rows"]
    assert sorted(row["options"] for row in rows) == ["", "--mixup 0"]
