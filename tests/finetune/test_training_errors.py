"""Errors during training: full disks, damaged files, wrong data. Each is one line, and saved results stay valid."""

import resource
import shutil
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from finetune import train
from finetune.command_line import main
from finetune.data.dataset import read_split
from finetune.run.hardware import explain_memory_errors
from finetune.run.processes import Processes
from runtime.errors import FlowerError

pytestmark = pytest.mark.usefixtures("small_network")


def test_full_disk_stops_the_run_and_keeps_the_last_state(
    small_run: Path, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files acts as the end of the disk.

    In the second epoch, layer3 is trained as well as layer4. So ``last.pt`` grows by the moments of its weights.
    """
    options += ["--output", str(tmp_path), "--cache-gb", "0"]
    size = (small_run / "last.pt").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 100_000, before[1]))
    try:
        assert main(options) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err
    assert "last.pt: cannot be written" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob(".*.tmp"))
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*options, "--resume"]) == 0
    actual, expected = (torch.load(folder / "last.pt", weights_only=True) for folder in (tmp_path, small_run))
    assert actual["epoch"] == 2
    for part in ("network", "averaged"):
        assert all(torch.equal(actual[part][name], expected[part][name]) for name in expected[part])


def test_unwritable_output_is_rejected_before_any_work(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    output = tmp_path / "file" / "run"
    assert main([*options, "--output", str(output)]) == 1
    captured = capsys.readouterr()
    assert f"{output}: cannot be written (Not a directory)" in captured.err
    assert captured.out == ""


def test_unwritable_cache_does_not_stop_the_run(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    options += ["--output", str(tmp_path / "run"), "--epochs", "1", "--cache", str(tmp_path / "cache")]
    assert main(options) == 0
    assert "training continues without it" in capsys.readouterr().out


def test_weights_whose_features_overflow_are_rejected(
    options: list[str], small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every weight is finite, so the file is read."""
    state = torch.load(small_weights, weights_only=True)
    torch.save(state | {"bn1.weight": state["bn1.weight"] * 1e38}, tmp_path / "large.pth")
    assert main([*options, "--weights", str(tmp_path / "large.pth"), "--output", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "features of the photographs overflow" in error
    assert len(error.splitlines()) == 1


def test_infinite_loss_stops_the_first_epoch(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options += ["--output", str(tmp_path), "--optimizer", "sgd", "--warmup-epochs", "0"]
    assert main([*options, "--lr", "1e30", "--head-lr", "1e30"]) == 1
    assert "learning rate" in capsys.readouterr().err


def test_state_before_an_infinite_loss_is_kept(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options += ["--output", str(tmp_path), "--optimizer", "sgd", "--clip-norm", "1e30"]
    with monkeypatch.context() as context:
        # The learning rate is much too high from the second epoch on.
        context.setattr(
            "finetune.training.epoch.learning_rate_factor", lambda step, steps, _: 1e30 if step >= steps else 1e-3
        )
        assert main(options) == 1
    error = capsys.readouterr().err
    assert "became nan in epoch 2" in error or "after epoch 2" in error or "became inf in epoch 2" in error
    assert "--lr" in error
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*options, "--resume"]) == 0


def test_infinite_gradient_does_not_change_the_weights(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the second epoch on, the loss is finite and its gradient is not."""
    calls: list[list[torch.nn.Parameter]] = []
    clip = torch.nn.utils.clip_grad_norm_
    steps_per_epoch = 3

    def clip_infinite_gradient(parameters: Iterator[torch.nn.Parameter], norm: float) -> torch.Tensor:
        trained = list(parameters)
        if len(calls) == steps_per_epoch and (gradient := trained[-1].grad) is not None:
            gradient.fill_(float("inf"))
        calls.append(trained)
        return clip(trained, norm)

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", clip_infinite_gradient)
    assert main([*options, "--output", str(tmp_path), "--head", "random"]) == 1
    error = capsys.readouterr().err
    assert "norm of the gradient became inf in epoch 2, step 1" in error
    assert "--lr" in error
    assert all(bool(torch.isfinite(parameter).all()) for parameter in calls[-1])
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1


def test_all_damaged_photographs_are_named_before_training(
    options: list[str], dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(dataset, tmp_path / "data")
    damaged = read_split(tmp_path / "data", "train").paths[7]
    damaged.write_bytes(damaged.read_bytes()[:500])
    other = read_split(tmp_path / "data", "val").paths[3]
    other.write_text("no photograph")
    later = read_split(tmp_path / "data", "test").paths[2]  # the export reads it
    later.write_text("no photograph")
    options += ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "out"), "--head", "random"]
    assert main([*options, "--workers", "1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("finetune: 3 of 48 photographs cannot be read: ")
    assert str(damaged) in error
    assert str(other) in error
    assert str(later) in error
    assert len(error.splitlines()) == 1


def test_missing_data_set_without_network_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    assert main(["--data", str(tmp_path), "--download", "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "cannot be downloaded (no route to host)" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no photographs"),
        (["a.jpg", "b.jpg"], "2 photographs directly in it"),
        (["all/tulip/a.jpg", "all/aster/b.jpg"], "2 photographs two folders deep"),
        (["tulip/a.nef", "aster/b.nef"], "2 .nef"),
        (["jpg/image_00001.jpg"], "imagelabels.mat is missing"),
    ],
)
def test_folder_without_a_data_set_is_described_and_nothing_is_downloaded(
    files: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("a download"))
    data = tmp_path / "data"
    for name in ("", *files):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch() if name else data.mkdir(exist_ok=True)
    assert main(["--data", str(data), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert main(["--data", str(data / "mistyped"), "--output", str(tmp_path / "out")]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert sorted(path for path in data.rglob("*") if path.is_file()) == sorted(data / name for name in files)


@pytest.mark.parametrize(("content", "downloads"), [("flowers-102/setid.mat.part", True), ("my photo.jpg", False)])
def test_default_folder_with_files_of_the_user_is_left_alone(
    content: str, downloads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(*_: object, **__: object) -> object:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / content).parent.mkdir(parents=True)
    (tmp_path / "data" / content).touch()
    assert main(["--output", "out"]) == 1
    assert ("no route to host" in capsys.readouterr().err) == downloads
    assert (tmp_path / "data" / "flowers-102").exists() == downloads


def test_batch_that_cannot_be_divided_over_processes_is_rejected(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Processes, "connect", lambda _: Processes(rank=0, count=2))
    assert main([*options, "--output", str(tmp_path), "--batch-size", "6"]) == 1
    assert "must be a multiple of 4 for 2 processes" in capsys.readouterr().err
    assert main([*options, "--output", str(tmp_path), "--batch-size", "32"]) == 1
    assert "fewer than one batch of 32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "slow"}, "the recipes are fast, default, best"),
        ({"splits": ("val",)}, "splits must be one of"),
        ({"splits": "train"}, "splits must be one of"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"workers": 10**6}, "workers must be 0 to 256"),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda"),
        ({"weights": "nowhere.pth"}, "nowhere.pth: no such weights file"),
    ],
    ids=str,
)
def test_invalid_arguments_of_train_are_rejected(
    arguments: dict[str, object], message: str, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(FlowerError, match=message):
        train(dataset, **{"output": tmp_path, **arguments})  # type: ignore[arg-type]  # invalid on purpose


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", "--batch-size"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error.", "--shm-size"),
    ],
)
def test_memory_errors_of_torch_are_explained(error: str, advice: str) -> None:
    with pytest.raises(FlowerError, match=advice), explain_memory_errors():
        raise RuntimeError(error)
    with pytest.raises(RuntimeError, match="another error"), explain_memory_errors():
        raise RuntimeError("another error")
