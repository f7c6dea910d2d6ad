"""One export from beginning to end, of a network of five layers in the place of ResNet-50: search, guard and check."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.command_line.main import main
from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.ranges import METHODS
from export.stages import pipeline
from finetune.data.oxford import CLASSES
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, save_checkpoint
from runtime import FlowerClassifier
from runtime.photos.preprocessing import Preprocessing
from tests.export.test_repairs import LAYERS, SIZE, core  # noqa: F401  (a fixture)
from tests.samples.drawn_flowers import draw_dataset

INT8 = "flowers-resnet50-int8.onnx"


@pytest.fixture
def arguments(core: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: F811
    """Of an export; fine-tuning for INT8 changes the network a little."""

    def build(checkpoint: Checkpoint) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(core)
        if "qat" in checkpoint.provenance:
            (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "head_b")
            bias.CopyFrom(numpy_helper.from_array(np.arange(5, dtype=np.float32) / 50, bias.name))
        return model

    def fine_tune(checkpoint: Checkpoint, photographs: Split, epochs: int, tensorrt: bool) -> Checkpoint:
        return replace(checkpoint, provenance={**checkpoint.provenance, "qat": {"epochs": epochs}})

    def torch_logits(checkpoint: Checkpoint, pixels: np.ndarray) -> np.ndarray:
        return OnnxNetwork(with_byte_input(core)).logits(pixels)

    monkeypatch.setattr(pipeline, "build_float_graph", build)
    monkeypatch.setattr(pipeline, "fine_tune_for_int8", fine_tune)
    monkeypatch.setattr(pipeline, "torch_logits", torch_logits)
    data = draw_dataset(tmp_path, classes=5, per_split=(1, 4, 2))
    provenance = {"train_split": "train+val"}
    made = Checkpoint({"w": torch.zeros(1)}, CLASSES[:5], Preprocessing(size=SIZE), {}, {}, provenance, {})
    save_checkpoint(made, tmp_path / "best.pt")
    return ["--checkpoint", str(tmp_path / "best.pt"), "--data", str(data), "--output", str(tmp_path / "out")]


def test_a_search_says_what_it_tried(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--search", "--qat", "1", "--max-drop", "100"]) == 0
    said = capsys.readouterr().out
    info = FlowerClassifier(tmp_path / "out" / INT8).info
    tried = info.calibration["tried"]
    assert set(METHODS) < set(tried)
    assert len(tried) == len(METHODS) + 2  # equalisation and bias correction
    for title, figures in tried.items():
        assert f"search   {title}:" in said
        assert figures.keys() == {"drop", "agreement", "divergence"}
    assert said.count(" dB ") == len(LAYERS)
    assert "trained on the val photographs, too: its top-1 there says nothing" in said
    # The search has compared with the network before its fine-tuning, as the guard does.
    chosen = min(tried.values(), key=lambda figures: figures["divergence"])
    measured = info.evaluation["val"]
    assert measured["divergence_from_fp32"] == pytest.approx(chosen["divergence"], rel=0.05)
    assert measured["agreement_with_fp32"] == pytest.approx(chosen["agreement"])
    assert main(["--check", str(tmp_path / "out" / INT8), *arguments[2:4]]) == 0
    said = capsys.readouterr().out
    assert said.count("ok ") == said.count("\n") == 9
    assert said.count("same top-1 as FP32") == 2


def test_layers_are_ranked_where_the_goal_is_not_reached(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "export.quantization.search._right", lambda logits, labels: logits.argmax(axis=1) < 0
    )  # all are wrong
    monkeypatch.setattr("export.stages.pipeline.search", _with_a_goal_out_of_reach(pipeline.search))
    main([*arguments, "--search", "--max-drop", "100"])
    said = capsys.readouterr().out
    assert "loss gained in float" in said
    assert all(any(" dB " in line and layer in line for line in said.splitlines()) for layer in LAYERS)
    assert f"{len(LAYERS)} layers in float" in said


def _with_a_goal_out_of_reach(search):  # type: ignore[no-untyped-def]
    return lambda network, histograms, images, labels, max_drop, *rest, **named: search(
        network, histograms, images, labels, -1.0, *rest, **named
    )


def test_the_guard_advises_what_is_left_to_try(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(METHODS, "minmax", lambda histogram: (0.0, 0.01))
    assert main([*arguments, "--calibrate", "minmax", "--max-drop", "0.1"]) == 1
    captured = capsys.readouterr()
    assert "int8 " in captured.err
    assert "so nothing was written" in captured.err
    assert "try --search" in captured.err
    assert captured.out.count(" dB ") == len(LAYERS)
    assert not (tmp_path / "out").exists()
