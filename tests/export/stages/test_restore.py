"""A checkpoint from a model file: the same answers, and a BatchNorm that can be trained."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.command_line import main
from export.graph.byte_input import with_byte_input
from export.graph.float_graph import build_float_graph
from export.graph.onnx_files import model_file_bytes, read_onnx
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.data.split import join_splits
from finetune.network.architecture import Architecture
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from finetune.network.photo_network import PhotoNetwork
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session
from runtime.photos.preprocessing import Preprocessing
from tests.samples.drawn_flowers import draw_dataset

SLIM = Architecture("resnet50-slim", (((16, 32),), ((16, 16), (48, 16)), ((16, 16),), ((32, 16),)))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_restored_checkpoint_answers_as_its_file(
    precision: str, exported: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported / f"flowers-resnet50-{precision}.onnx"
    assert main(["restore", str(path), "--data", str(dataset), "--output", str(tmp_path / "best.pt")]) == 0
    assert "gives the same first name" in capsys.readouterr().out
    session, restored = Session(path, device="cpu"), load_checkpoint(tmp_path / "best.pt")
    assert (restored.classes, restored.preprocessing) == (session.info.classes, session.info.preprocessing)
    assert set(restored.trained_on) == set(read_split(dataset, "train").fingerprints())
    pixels = next(photo_batches(read_split(dataset, "test").paths, restored.preprocessing, 12))
    with torch.inference_mode():
        own = restored.network()(torch.from_numpy(pixels)).numpy()
    logits = session.logits(pixels)
    assert np.abs(own - logits).max() < (1e-3 if precision == "fp32" else 0.5 * logits.std())


def test_slim_file_is_restored_with_its_widths_and_statistics_of_the_photographs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = draw_dataset(tmp_path / "data", classes=3, per_split=(4, 1, 1))
    photographs = join_splits([read_split(data, "train")])
    network = PhotoNetwork(3, SLIM)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.3)
    checkpoint = Checkpoint(
        network.resnet.state_dict(), photographs.classes, Preprocessing(size=64), {}, {}, {}, {}, SLIM
    )
    info = ModelInfo(photographs.classes, checkpoint.preprocessing, SLIM.name, "fp32")
    file = tmp_path / "slim.onnx"
    file.write_bytes(model_file_bytes(with_byte_input(build_float_graph(checkpoint)), info))
    assert main(["restore", str(file), "--data", str(data), "--output", str(tmp_path / "best.pt")]) == 0
    restored = load_checkpoint(tmp_path / "best.pt")
    assert restored.architecture == SLIM
    pixels = next(photo_batches(photographs.paths, checkpoint.preprocessing, len(photographs)))
    both = restored.network()
    with torch.inference_mode():
        answers = both(torch.from_numpy(pixels))
        # With the statistics of the same photographs, BatchNorm in train mode computes what it does in eval mode.
        in_training = both.train()(torch.from_numpy(pixels))
    assert np.allclose(answers.numpy(), Session(file, device="cpu").logits(pixels), atol=1e-3)
    assert np.allclose(in_training.numpy(), answers.numpy(), atol=1e-3)


def test_file_of_another_network_and_other_classes_are_refused(
    exported: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported / "flowers-resnet50-fp32.onnx"
    assert main(["restore", str(path), "--data", str(dataset), "--output", str(tmp_path)]) == 1
    assert "is a folder; name a file" in capsys.readouterr().err
    output = ["--output", str(tmp_path / "best.pt")]
    other_data = draw_dataset(tmp_path / "other", classes=3, per_split=(1, 1, 1))
    assert main(["restore", str(path), "--data", str(other_data), *output]) == 1
    assert "other classes" in capsys.readouterr().err
    model = read_onnx(path)
    for node in model.graph.node:
        node.input[:] = [name.replace("layer2.0.conv2", "layer2.0.other") for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("layer2.0.conv2", "layer2.0.other")
    onnx.save(model, tmp_path / "other.onnx")
    assert main(["restore", str(tmp_path / "other.onnx"), "--data", str(dataset), *output]) == 1
    assert "layers are not those of a ResNet-50" in capsys.readouterr().err
    assert not (tmp_path / "best.pt").exists()
