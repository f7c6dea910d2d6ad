"""From a finished checkpoint to a smaller network that learns its answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.command_line import main
from finetune.data.dataset import read_split
from finetune.network.architecture import Architecture, blocks_of
from finetune.network.checkpoint import load_checkpoint, save_checkpoint
from finetune.network.photo_network import PhotoNetwork
from finetune.network.tensor_files import CheckpointError
from finetune.slimming.budget import Budget, count_macs, count_weights
from finetune.slimming.distillation import TEMPERATURE, distillation_loss
from finetune.slimming.importance import BlockImportance, measure_importance
from finetune.slimming.pruning import STEP, choose_channels, prune, widths_of
from runtime import FlowerError
from runtime.photos.preprocessing import Preprocessing
from tests.samples.schedule import SHORT

RESNET50 = [[(width, width)] * blocks for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3))]


def importance_of(widths: list[list[tuple[int, int]]], seed: int = 0) -> list[list[BlockImportance]]:
    random = np.random.default_rng(seed)
    return [
        [BlockImportance(random.random(first), random.random(second), random.random()) for first, second in stage]
        for stage in widths
    ]


def test_work_of_the_resnet50_is_that_of_its_convolutions() -> None:
    # The sum over torchvision's convolutions, counted with hooks: 4.087 billion.
    assert count_macs(RESNET50, 224) == 4_087_136_256
    assert count_macs(RESNET50, 160) == 2_085_273_600
    network = PhotoNetwork(1)
    modules = [module for module in network.resnet.modules() if isinstance(module, torch.nn.Conv2d)]
    assert count_weights(RESNET50) == sum(module.weight.numel() for module in modules)


@pytest.mark.parametrize(("share", "drop", "first_stage"), [(0.6, 0, 0), (0.3, 2, 1)])
def test_budget_is_met_with_whole_groups_of_channels(share: float, drop: int, first_stage: int) -> None:
    full = count_macs(RESNET50, 224)
    importance = importance_of(RESNET50)
    kept = choose_channels(importance, Budget(share, drop), full_macs=full, size=192, first_stage=first_stage)
    widths = [[(len(block.first), len(block.second)) for block in stage] for stage in kept]
    assert share - 0.02 < count_macs(widths, 192) / full <= share
    assert all(width % STEP == 0 for stage in widths for block in stage for width in block)
    assert len(widths[2]) == 6 - drop
    assert widths[:first_stage] == RESNET50[:first_stage]
    least = sorted(range(1, 6), key=lambda index: importance[2][index].whole)[:drop]
    assert {block.index for block in kept[2]} == set(range(6)) - set(least)
    with pytest.raises(FlowerError, match=r"larger --macs and --kept-weights, or"):
        choose_channels(importance, Budget(0.01), full_macs=full, size=192, first_stage=first_stage)


def test_budget_of_weights_is_met_as_well() -> None:
    importance, full = importance_of(RESNET50), count_macs(RESNET50, 224)
    by_work = choose_channels(importance, Budget(0.5), full_macs=full, size=224, first_stage=1)
    limited = choose_channels(importance, Budget(0.5, weights=0.3), full_macs=full, size=224, first_stage=1)
    shares = [count_weights(widths_of(kept)) / count_weights(RESNET50) for kept in (by_work, limited)]
    assert shares[0] > 0.3 >= shares[1] > 0.29
    assert count_macs(widths_of(limited), 224) <= 0.5 * full


@pytest.mark.usefixtures("small_network")
def test_channels_that_are_always_zero_go_first_and_change_nothing(small_run: Path, dataset: Path) -> None:
    full = load_checkpoint(small_run / "best.pt").network()
    block = blocks_of(full.resnet)[3][0]
    dead = torch.arange(0, 2 * STEP, 2)
    with torch.no_grad():
        for norm in (block.bn1, block.bn2):
            norm.weight[dead] = norm.bias[dead] = 0
    rule = Preprocessing(64)
    importance = measure_importance(full, read_split(dataset, "train"), rule)
    assert importance[3][0].first[dead].max() == 0 < importance[3][0].first.min() + importance[3][0].first.max()
    widths = [[(len(block.first), len(block.second)) for block in stage] for stage in importance]
    fewer = [*widths[:3], [(widths[3][0][0] - STEP, widths[3][0][1] - STEP)]]
    share = count_macs(fewer, 64) / (full_macs := count_macs(widths, 64))
    kept = choose_channels(importance, Budget(share), full_macs=full_macs, size=64, first_stage=0)
    slim = prune(full, kept)
    assert slim.architecture.widths == tuple(map(tuple, fewer))
    photos = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(slim(photos), full(photos), atol=1e-5)


def test_loss_is_zero_for_the_same_answers_and_pulls_towards_the_teacher() -> None:
    teacher = torch.tensor([[4.0, 0.0, -2.0]])
    assert float(distillation_loss(teacher + 3, teacher)) == pytest.approx(0, abs=1e-6)
    logits = torch.zeros((1, 3), requires_grad=True)
    distillation_loss(logits, teacher).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    expected = TEMPERATURE * (1 / 3 - torch.softmax(teacher / TEMPERATURE, 1))
    assert torch.allclose(logits.grad, expected, atol=1e-6)


@pytest.mark.usefixtures("small_network")
def test_slim_run_is_resumed_and_its_checkpoint_carries_its_architecture(
    small_run: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of the photographs that the full network was trained on, one is no longer in the data.
    full, gone = tmp_path / "full.pt", "0123456789abcdef"
    checkpoint = load_checkpoint(small_run / "best.pt")
    save_checkpoint(replace(checkpoint, trained_on=(*checkpoint.trained_on, gone)), full)
    options = ["--data", str(dataset), "--slim", str(full), "--macs", "0.9", *SHORT]
    assert main([*options, "--output", str(tmp_path / "whole")]) == 0
    assert "of the work for a photo of 64 × 64" in capsys.readouterr().out

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("finetune.training.history.draw_curves", interrupt)
        assert main([*options, "--output", str(tmp_path / "resumed")]) == 130
    assert main(["--resume", "--output", str(tmp_path / "resumed")]) == 0
    whole, resumed = (load_checkpoint(tmp_path / name / "best.pt") for name in ("whole", "resumed"))
    assert whole.architecture == resumed.architecture
    assert whole.architecture.name == "resnet50-slim"
    assert all(torch.equal(tensor, resumed.state_dict[name]) for name, tensor in whole.state_dict.items())
    assert set(whole.trained_on) == {*checkpoint.trained_on, gone}
    assert whole.provenance["full_network"] == checkpoint.provenance
    count = [sum(p.numel() for p in c.network().parameters()) for c in (load_checkpoint(full), whole)]
    assert count[1] < count[0]


@pytest.mark.usefixtures("small_network")
def test_checkpoint_that_cannot_be_made_slim_is_refused(
    small_run: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = load_checkpoint(small_run / "best.pt")
    changes = {
        "other classes": replace(checkpoint, classes=(*checkpoint.classes[:-1], "cactus")),
        "--splits train,val": replace(checkpoint, provenance=checkpoint.provenance | {"train_split": "train+val"}),
    }
    for message, changed in changes.items():
        save_checkpoint(changed, tmp_path / "best.pt")
        options = ["--data", str(dataset), "--output", str(tmp_path / "run"), *SHORT]
        assert main([*options, "--slim", str(tmp_path / "best.pt")]) == 1
        assert message in capsys.readouterr().err
    assert main([*options, "--macs", "0.5"]) == 1
    assert "belong to --slim" in capsys.readouterr().err
    (tmp_path / "model.onnx").touch()
    for other in ("nowhere.pt", "model.onnx"):
        assert main([*options, "--slim", str(tmp_path / other)]) == 1
        assert "export restore makes one from a model file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [
        "resnet18",
        {"name": "x", "widths": [[[16, 16]]] * 3},
        {"name": "x", "widths": [[[16, -16]]] * 4},
        {"name": "x", "widths": [[[16, 10**9]]] * 4},
        {"name": "x", "widths": [[[16, True]]] * 4},
        {"name": "x", "widths": [[]] * 4},
        {"name": "x", "widths": ["ab"] * 4},
    ],
)
def test_unknown_architecture_is_refused(value: object) -> None:
    with pytest.raises(CheckpointError, match="architecture"):
        Architecture.from_untrusted(value, "best.pt")


def test_architecture_survives_a_file() -> None:
    architecture = Architecture("resnet50-slim", (((16, 32),), ((16, 16), (48, 16)), ((16, 16),), ((32, 16),)))
    assert Architecture.from_untrusted(architecture.recorded(), "best.pt") == architecture
    assert Architecture.from_untrusted("resnet50", "best.pt") == Architecture()
    network = PhotoNetwork(3, architecture).eval()
    with torch.no_grad():
        assert network(torch.zeros((1, 64, 64, 3), dtype=torch.uint8)).shape == (1, 3)
