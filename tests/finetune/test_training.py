"""Training: that it learns, resumes exactly, and says what is wrong."""

import json
import shutil
import urllib.error
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.optim.swa_utils import AveragedModel

from finetune.batches.augmentation import TrainingPhotos
from finetune.command_line import main
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint
from finetune.network.photo_network import HEAD, PhotoNetwork, set_trainable, stage_modules
from finetune.network.pretrained import load_pretrained
from finetune.network.tensor_files import CheckpointError, WeightsError
from finetune.recipe import Recipe, RecipeError
from finetune.run.hardware import Hardware
from finetune.training.epoch import learning_rate_factor
from tests.conftest import SHORT


def log_of(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_promises(run_folder: Path) -> None:
    assert {path.name for path in run_folder.iterdir()} == {"best.pt", "last.pt", "log.jsonl", "curves.png"}
    log = log_of(run_folder)
    assert [record["epoch"] for record in log] == [1, 2]
    assert all(record["train_loss"] > 0 and record["images_per_second"] > 0 for record in log)
    with Image.open(run_folder / "curves.png") as image:
        assert image.width > 500


def test_a_checkpoint_carries_all_that_is_needed_to_use_it(run_folder: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    assert len(checkpoint.classes) == 4
    assert checkpoint.preprocessing.size == 64
    assert Recipe.from_dict(checkpoint.recipe).epochs == 2
    assert checkpoint.metrics["val_images"] == 12
    assert checkpoint.provenance["weights"] == "resnet50.pth"
    assert checkpoint.versions["torch"] == metadata.version("torch")
    with torch.no_grad():
        assert checkpoint.network()(torch.zeros((1, 64, 64, 3), dtype=torch.uint8)).shape == (1, 4)


def test_a_stopped_run_goes_on_to_the_same_weights(
    run_folder: Path, dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT]

    def pull_the_plug(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        # The end of an epoch's bookkeeping, after last.pt is written.
        context.setattr("finetune.training.history.draw_curves", pull_the_plug)
        assert main(arguments) == 130
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*arguments, "--resume"]) == 0
    once, twice = (torch.load(folder / "last.pt", weights_only=True) for folder in (run_folder, tmp_path))
    for part in ("network", "averaged"):
        assert once[part].keys() == twice[part].keys()
        assert all(torch.equal(once[part][name], twice[part][name]) for name in once[part])
    for number, moments in once["optimizer"]["state"].items():
        assert all(torch.equal(value, twice["optimizer"]["state"][number][name]) for name, value in moments.items())
    for record, other in zip(log_of(run_folder), log_of(tmp_path), strict=True):
        assert {key for key in record if record[key] != other[key]} <= {"seconds", "images_per_second"}


def test_a_run_killed_after_its_last_state_gets_its_log_and_curves(
    run_folder: Path, dataset: Path, weights: Path, tmp_path: Path
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    log, curves = tmp_path / "run" / "log.jsonl", tmp_path / "run" / "curves.png"
    whole = log.read_text()
    log.write_text(whole.splitlines(keepends=True)[0])
    curves.unlink()
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path / "run"), *SHORT]
    assert main([*arguments, "--resume"]) == 0
    assert log.read_text() == whole
    assert curves.is_file()


def test_resuming_before_there_is_anything_starts_the_run(dataset: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT, "--epochs", "1"]
    assert main([*arguments, "--resume"]) == 0
    assert len(log_of(tmp_path)) == 1


def test_runs_of_several_seeds_end_in_the_mean_of_their_weights(dataset: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT, "--limit", "12"]
    assert main([*arguments, "--runs", "2", "--seed", "3"]) == 0
    soup, *parts = (load_checkpoint(tmp_path / name / "best.pt") for name in (".", "seed-3", "seed-4"))
    weight = "layer4.2.conv3.weight"
    first, second = (part.state_dict[weight] for part in parts)
    assert not torch.equal(first, second)
    assert torch.allclose(soup.state_dict[weight], (first + second) / 2)
    assert soup.metrics["val_images"] == 12
    assert soup.provenance["soup"]["seeds"] == [3, 4]
    assert main([*arguments, "--runs", "2", "--seed", "3"]) == 1
    assert main([*arguments, "--runs", "2", "--seed", "3", "--resume"]) == 0
    assert torch.equal(load_checkpoint(tmp_path / "best.pt").state_dict[weight], soup.state_dict[weight])


def test_a_photograph_that_breaks_during_training_is_named(
    dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(dataset, tmp_path / "data")
    broken = read_split(tmp_path / "data", "train").paths[7]
    broken.write_bytes(broken.read_bytes()[:500])
    arguments = ["--data", str(tmp_path / "data"), "--weights", str(weights), "--output", str(tmp_path / "out"), *SHORT]
    assert main([*arguments, "--head", "random", "--workers", "1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"finetune: {broken}: damaged")
    assert "Traceback" not in error


def test_resuming_something_else_is_refused(
    run_folder: Path, dataset: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(run_folder), *SHORT]
    for option, words in (("--seed", "seed 0, not 7"), ("--test-size", "size 64, not 72")):
        assert main([*arguments, "--resume", option, words.split()[-1]]) == 1
        assert f"began with {words}" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "holds a run already" in capsys.readouterr().err


PLAIN = ("--mixup", "0", "--augmentation", "none", "--erasing", "0", "--label-smoothing", "0", "--average-decay", "0")


def test_training_lowers_the_loss(dataset: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT, *PLAIN]
    arguments += ["--epochs", "5", "--freeze", "0", "--unfreeze-every", "0", "--lr", "0.001", "--validate-every", "2"]
    assert main(arguments) == 0
    assert log_of(tmp_path)[-1]["train_loss"] < 0.8 * log_of(tmp_path)[0]["train_loss"]
    assert [record["epoch"] for record in log_of(tmp_path) if "val_top1" in record] == [2, 4, 5]


def test_swa_ends_in_the_mean_of_the_weights_of_the_last_quarter(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    update = AveragedModel.update_parameters

    def watched(self: AveragedModel, model: PhotoNetwork) -> None:
        seen.append(model.resnet.fc.weight.detach().clone())
        update(self, model)

    monkeypatch.setattr(AveragedModel, "update_parameters", watched)
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT]
    assert main([*arguments, "--epochs", "4", "--average", "swa"]) == 0
    last = seen[-len(seen) // 4 :]
    assert len(last) > 1
    averaged = torch.load(tmp_path / "last.pt", weights_only=True)["averaged"]
    assert torch.allclose(averaged["module.resnet.fc.weight"], torch.stack(last).mean(0))


def test_the_probe_recognises_flowers_it_has_not_seen(dataset: Path, weights: Path, tmp_path: Path) -> None:
    """Even a random network's features tell four colours apart; a rate of next to nothing leaves the probe as it is."""
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT, *PLAIN]
    assert main([*arguments, "--epochs", "1", "--freeze", "5", "--head-lr", "1e-9"]) == 0
    assert log_of(tmp_path)[0]["val_top1"] >= 0.6


def test_a_loss_that_is_no_number_stops_the_run(
    dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT]
    assert main([*arguments, "--optimizer", "sgd", "--lr", "1e30", "--head-lr", "1e30", "--warmup-epochs", "0"]) == 1
    assert "learning rate" in capsys.readouterr().err


def test_frozen_stages_stay_as_they_are() -> None:
    network = PhotoNetwork(4)
    set_trainable(network, 3)
    for stage in range(HEAD + 1):
        for module in stage_modules(network, stage):
            assert module.training == (stage >= 3)
            assert all(parameter.requires_grad == (stage >= 3) for parameter in module.parameters())


def test_stages_join_one_after_another() -> None:
    recipe = Recipe(freeze=2, unfreeze_every=2, head="probe")
    assert [recipe.first_trained_stage(epoch) for epoch in range(7)] == [4, 4, 3, 3, 2, 2, 2]
    assert replace(recipe, head="random").first_trained_stage(0) == HEAD
    assert replace(recipe, unfreeze_every=0).first_trained_stage(0) == 2


def test_the_rate_rises_then_falls() -> None:
    recipe = Recipe(epochs=10, warmup_epochs=2)
    factors = [learning_rate_factor(step, 5, recipe) for step in range(50)]
    assert factors[9] == 1
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.01


def test_augmentation_depends_on_seed_epoch_and_index_alone(dataset: Path) -> None:
    photos = TrainingPhotos(read_split(dataset, "train"), Recipe(size=64))
    first = photos[3, 5][0]
    torch.manual_seed(99)
    assert torch.equal(photos[3, 5][0], first)
    assert not torch.equal(photos[4, 5][0], first)
    assert (first.shape, first.dtype) == ((64, 64, 3), torch.uint8)


def test_bytes_mean_the_same_as_imagenets_normalisation(weights: Path) -> None:
    """Away from the edges, the moved means change nothing: the first stage's output is torchvision's."""
    network, plain = PhotoNetwork(4).eval(), PhotoNetwork(1000).eval()
    load_pretrained(network, weights)
    plain.resnet.load_state_dict(torch.load(weights, weights_only=True))
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((image / 255 - mean) / std).permute(0, 3, 1, 2)
    zeroed = (image.permute(0, 3, 1, 2).float() - 115) / network.std
    with torch.no_grad():
        expected = plain.resnet.bn1(plain.resnet.conv1(normalised))
        found = network.resnet.bn1(network.resnet.conv1(zeroed))
    assert torch.allclose(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [b"", b"no weights", {"conv1.weight": torch.zeros(3)}, {"a": "b"}, [1, 2], {"conv1.weight": np.float64(1)}],
)
def test_files_that_are_no_weights_are_refused_in_words(content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError) as caught:
        load_pretrained(PhotoNetwork(4), path)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_checkpoint_that_carries_code_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "exploded",)

    torch.save({"format": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(tmp_path / "bomb.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"optimizer": "magic"},
        {"freeze": 9},
        {"lr": -1.0},
        {"mixup": -0.1},
        {"weight_decay": float("nan")},
        {"warmup_epochs": float("inf")},
        {"seed": -1},
        {"stage_decay": -1.0},
        {"erasing": 2.0},
        {"colour": 1},
    ],
)
def test_recipes_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_dict(values)


def test_a_data_set_that_is_not_there_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    assert main(["--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "cannot be downloaded (no route to host)" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"cpu_name": "AMD Zen4", "avx512_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "float32"),
        ({"cpu_name": "AMD Zen3", "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_a_cpu_computes_in_what_is_faster_on_it(
    capabilities: dict[str, object], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert Hardware.detect("cpu").precision == precision
