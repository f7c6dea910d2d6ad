"""The suite about GPUs with the CPU in the place of the GPU: its files, parts and report."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import run_suite
from benchmarks.command_line import main
from benchmarks.measurements.gpu import requirements
from benchmarks.suites.processors import gpu
from finetune.data.dataset import read_split
from finetune.network.photo_network import PhotoNetwork
from finetune.recipe import Recipe
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.photos.preprocessing import Preprocessing
from tests.samples.drawn_flowers import draw_dataset
from tests.samples.small_network import small_network
from tests.samples.tiny_model import save_tiny_model

CONTESTANTS = (("int8", "cpu"), ("fp16", "cpu"), ("int8-tensorrt", "cpu"), ("int8-tensorrt", "xnnpack"))
"""The last one stands for a device that does not start."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("data"), classes=3)


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU in the place of the GPU, and few photographs in a batch."""
    monkeypatch.setattr(gpu, "CONTESTANTS", CONTESTANTS)
    monkeypatch.setattr(gpu, "TRAINING_DEVICES", ("cpu",))
    monkeypatch.setattr(requirements, "NVIDIA_SMI", "no-such-program")


@pytest.fixture
def arguments(data: Path, tmp_path: Path) -> list[str]:
    """Options of the suite with tiny model files. The checkpoint has weights for training only."""
    checkpoint = tmp_path / "best.pt"
    with small_network():
        torch.manual_seed(0)
        torch.save(PhotoNetwork(1000).resnet.state_dict(), checkpoint)
    made: dict[str, Any] = {
        "classes": read_split(data, "test").classes,
        "preprocessing": Preprocessing(size=16, crop_pct=1.0),
        "training": {"checkpoint_sha256": file_digest(checkpoint)},
    }
    files = tmp_path / "files"
    files.mkdir()
    model = save_tiny_model(tmp_path / "tiny-int8.onnx", precision="int8", **made)
    for form in gpu.EXPORTED:
        save_tiny_model(files / f"flowers-resnet50-{form}.onnx", precision=form, **made)
    return [
        *("--data", str(data), "--checkpoint", str(checkpoint), "--model", str(model), "--files", str(files)),
        *("--photos", "6", "--rounds", "2", "--epochs", "2", "--limit", "8", "--threads", "1"),
    ]


def test_without_a_gpu_one_line_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requirements, "NVIDIA_SMI", "no-such-program")
    report = tmp_path / "report"
    assert main(["gpu", "--report", str(report)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks: no NVIDIA GPU can be measured: nvidia-smi names no GPU (")
    assert not report.exists()


def test_report_of_inference_and_auto(on_cpu: None, arguments: list[str], tmp_path: Path) -> None:
    report = run_suite("gpu", [*arguments, "--only", "inference", "auto", "--report", str(tmp_path / "report")])
    reference, fp16, tensorrt, failed = report.figures["inference"]["rows"]
    assert "against_reference" not in reference["accuracy"]
    for row in (fp16, tensorrt):
        assert row["accuracy"]["against_reference"]["agreement"] == 1
        assert {size: len(times) for size, times in row["milliseconds"].items()} == {"1": 2, "16": 5, "64": 5}
        assert row["first_seconds"].keys() == {"1", "16", "64"}
    assert "xnnpack" in failed["failed"]
    assert [row["form"] for row in report.figures["auto"]["rows"]] == ["int8", "fp16", "int8-tensorrt"]
    assert report.figures["auto"]["gpu"] is None
    text = report.markdown.read_text(encoding="utf-8")
    assert text.count("| fp16 | cpu |") == 5  # accuracy, three batches, first runs
    assert "- int8-tensorrt on xnnpack was not measured: " in text
    assert "| int8 | 64 | `auto` chooses " in text
    assert "## Training" not in text


def test_report_of_training(
    on_cpu: None, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "RECIPES", {"fast": Recipe(epochs=9, size=32, final_size=32, batch_size=8)})
    monkeypatch.setattr(gpu, "TIMED_RECIPES", ("fast",))
    with small_network():
        report = run_suite("gpu", [*arguments, "--only", "training", "--report", str(tmp_path / "report")])
    (row,) = report.figures["training"]["rows"]
    assert (row["photographs"], len(row["epochs"])) == (8, 2)
    assert row["seconds"] > 0
    assert all(epoch["images_per_second"] > 0 for epoch in row["epochs"])
    text = report.markdown.read_text(encoding="utf-8")
    assert "| fast | cpu | 8 | " in text
    assert "## Latency" not in text


def test_report_without_a_gpu_is_not_written(
    on_cpu: None, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA is installed but does not start."""
    rows = [{"form": "int8", "device": "cpu"}, {"form": "int8", "device": "cuda", "failed": "libcuda.so.1 is missing"}]
    monkeypatch.setattr(gpu, "measure_inference", lambda *_: rows)
    with pytest.raises(FlowerError, match=r"no file ran on the GPU: libcuda\.so\.1"):
        run_suite("gpu", [*arguments, "--only", "inference", "--report", str(tmp_path / "report")])
    assert not (tmp_path / "report").exists()


def test_files_of_another_checkpoint_are_refused(on_cpu: None, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"another")
    with pytest.raises(FlowerError, match=r"fp16\.onnx: was made from another file"):
        run_suite("gpu", [*arguments, "--only", "inference", "--report", str(tmp_path / "report")])


def test_missing_files_are_exported(
    on_cpu: None, arguments: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export itself has its own tests; here it moves the files to their place."""
    asked: dict[str, Any] = {}
    files, away = tmp_path / "files", tmp_path / "away"
    files.rename(away)

    def export_checkpoint(checkpoint: Path, data: Path, **options: Any) -> None:
        asked.update(options, checkpoint=checkpoint, data=data)
        away.rename(options["output"])

    monkeypatch.setattr(gpu, "export_checkpoint", export_checkpoint)
    report = run_suite("gpu", [*arguments, "--only", "auto", "--report", str(tmp_path / "report")])
    assert len(report.figures["auto"]["rows"]) == 3
    assert (asked["checkpoint"], asked["data"], asked["output"]) == (tmp_path / "best.pt", data, files)
    assert asked["target"] == "cuda"


def test_other_classes_are_refused(on_cpu: None, arguments: list[str], tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "other.onnx")
    with pytest.raises(FlowerError, match="its classes differ"):
        run_suite("gpu", [*arguments, "--model", str(model), "--only", "inference", "--report", str(tmp_path)])
