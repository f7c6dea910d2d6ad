"""Training runs: what they write, and that they learn."""

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.optim.swa_utils import AveragedModel

from finetune import Recipe, train
from finetune.command_line import main
from finetune.network.checkpoint import load_checkpoint
from finetune.network.photo_network import PhotoNetwork
from finetune.run.settings import load_settings
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing
from tests.finetune.conftest import SHORT_RECIPE

pytestmark = pytest.mark.usefixtures("small_network")
WITHOUT_NOISE = (
    *("--mixup", "0", "--augmentation", "none", "--erasing", "0", "--label-smoothing", "0", "--average-decay", "0"),
)


def read_log(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_run_writes_checkpoint_state_log_and_curves(small_run: Path) -> None:
    assert {path.name for path in small_run.iterdir()} == {"best.pt", "last.pt", "log.jsonl", "curves.png"}
    log = read_log(small_run)
    assert [record["epoch"] for record in log] == [1, 2]
    assert all(record["train_loss"] > 0 and record["images_per_second"] > 0 for record in log)
    with Image.open(small_run / "curves.png") as image:
        assert image.width > 500


def test_checkpoint_holds_all_that_is_needed_to_use_it(small_run: Path) -> None:
    checkpoint = load_checkpoint(small_run / "best.pt")
    assert len(checkpoint.classes) == 4
    assert checkpoint.preprocessing.size == 64
    assert Recipe.from_dict(checkpoint.recipe) == SHORT_RECIPE
    assert checkpoint.metrics["val_images"] == 12
    assert checkpoint.provenance["weights"] == "resnet50.pth"
    assert checkpoint.versions["torch"] == metadata.version("torch")
    with torch.no_grad():
        assert checkpoint.network()(torch.zeros((1, 64, 64, 3), dtype=torch.uint8)).shape == (1, 4)


def test_several_runs_end_with_the_mean_of_their_weights(dataset: Path, small_weights: Path, tmp_path: Path) -> None:
    recipe = replace(SHORT_RECIPE, runs=2, seed=3)
    lines: list[str] = []

    def train_or_resume(*, resume: bool = False) -> Path:
        result = train(
            dataset,
            weights=small_weights,
            recipe=recipe,
            output=tmp_path,
            preprocessing=Preprocessing(64),
            limit=12,
            resume=resume,
            workers=0,
            report=lines.append,
        )
        assert [run.recipe.seed for run in result.runs] == [3, 4]
        assert [len(run.history) for run in result.runs] == [2, 2]
        assert result.metrics["val_images"] == 12
        assert result.classes == load_checkpoint(result.checkpoint).classes
        return result.checkpoint

    soup, *parts = (load_checkpoint(path) for path in (train_or_resume(), *sorted(tmp_path.glob("seed-*/best.pt"))))
    weight = "layer4.0.conv3.weight"
    first, second = (part.state_dict[weight] for part in parts)
    assert not torch.equal(first, second)
    assert torch.allclose(soup.state_dict[weight], (first + second) / 2)
    assert soup.provenance["soup"]["seeds"] == [3, 4]
    assert any(line.startswith("soup ") for line in lines)
    settings = load_settings(tmp_path)
    assert settings is not None
    assert settings.recipe == recipe
    with pytest.raises(FlowerError, match="already holds a run"):
        train_or_resume()
    assert torch.equal(load_checkpoint(train_or_resume(resume=True)).state_dict[weight], soup.state_dict[weight])


def test_resume_without_a_saved_run_starts_one(
    dataset: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(
        dataset,
        weights=small_weights,
        recipe=replace(SHORT_RECIPE, epochs=1),
        output=tmp_path,
        preprocessing=Preprocessing(64),
        resume=True,
        workers=0,
    )
    assert "training starts from the beginning" in capsys.readouterr().out
    assert result.history == read_log(tmp_path)
    assert len(result.history) == 1
    assert result.metrics["val_top1"] == result.history[0]["val_top1"]
    assert result.checkpoint == tmp_path / "best.pt"


def test_training_lowers_the_loss(options: list[str], tmp_path: Path) -> None:
    options += ["--output", str(tmp_path), *WITHOUT_NOISE, "--epochs", "5", "--freeze", "0", "--unfreeze-every", "0"]
    assert main([*options, "--lr", "0.001", "--validate-every", "2"]) == 0
    log = read_log(tmp_path)
    assert log[-1]["train_loss"] < 0.8 * log[0]["train_loss"]
    assert [record["epoch"] for record in log if "val_top1" in record] == [2, 4, 5]


def test_swa_averages_the_weights_of_the_last_quarter(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[torch.Tensor] = []
    update = AveragedModel.update_parameters

    def record_weights(self: AveragedModel, model: PhotoNetwork) -> None:
        weights.append(model.resnet.fc.weight.detach().clone())
        update(self, model)

    monkeypatch.setattr(AveragedModel, "update_parameters", record_weights)
    assert main([*options, "--output", str(tmp_path), "--epochs", "4", "--average", "swa"]) == 0
    last_quarter = weights[-len(weights) // 4 :]
    assert len(last_quarter) > 1
    averaged = torch.load(tmp_path / "last.pt", weights_only=True)["averaged"]
    assert torch.allclose(averaged["module.resnet.fc.weight"], torch.stack(last_quarter).mean(0))


def test_linear_probe_recognises_new_photographs(options: list[str], tmp_path: Path) -> None:
    """The features of a random network distinguish four colours. The tiny learning rate does not change the probe."""
    options += ["--output", str(tmp_path), *WITHOUT_NOISE]
    assert main([*options, "--epochs", "1", "--freeze", "5", "--head-lr", "1e-9"]) == 0
    assert read_log(tmp_path)[0]["val_top1"] >= 0.6
