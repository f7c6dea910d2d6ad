"""Whole exports of a network of five layers in the place of ResNet-50: options, search, guard and errors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export import ExportError, export_checkpoint
from export.command_line import main
from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.ranges import METHODS
from export.quantization.search import search
from export.stages import float_network, quantize
from export.verification.accuracy_guard import AccuracyLoss, advise
from finetune.data.dataset import read_split
from finetune.data.oxford import CLASSES
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, save_checkpoint
from runtime import FlowerClassifier
from runtime.inference.session import Outputs
from runtime.photos.preprocessing import Preprocessing
from tests.export.small_networks import BLOCK_LAYERS, SIZE, block_network
from tests.samples.drawn_flowers import draw_dataset
from tests.samples.tiny_model import INFO, tiny_model

FP32, INT8 = "flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx"
ANY_DROP = ("--max-drop", "100")
"""Because one of the few drawn photographs is many percentage points."""


@pytest.fixture(scope="module")
def core() -> onnx.ModelProto:
    return block_network()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("data"), classes=5, per_split=(1, 4, 2))


@pytest.fixture
def arguments(core: onnx.ModelProto, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of an export to ``tmp_path / "out"``. Fine-tuning for INT8 changes the network a little."""

    def build_float_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(core)
        if "qat" in checkpoint.provenance:
            (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "head_b")
            bias.CopyFrom(numpy_helper.from_array(np.arange(5, dtype=np.float32) / 50, bias.name))
        return model

    def fine_tune_for_int8(checkpoint: Checkpoint, photographs: Split, epochs: int, *, tensorrt: bool) -> Checkpoint:
        return replace(checkpoint, provenance={**checkpoint.provenance, "qat": {"epochs": epochs}})

    monkeypatch.setattr(float_network, "build_float_graph", build_float_graph)
    monkeypatch.setattr(quantize, "build_float_graph", build_float_graph)
    monkeypatch.setattr(quantize, "fine_tune_for_int8", fine_tune_for_int8)
    monkeypatch.setattr(float_network, "TorchNetwork", lambda checkpoint: OnnxNetwork(with_byte_input(core)))
    provenance = {"train_split": "train+val"}
    checkpoint = Checkpoint({"w": torch.zeros(1)}, CLASSES[:5], Preprocessing(size=SIZE), {}, {}, provenance, {})
    save_checkpoint(checkpoint, tmp_path / "best.pt")
    return ["--checkpoint", str(tmp_path / "best.pt"), "--data", str(data), "--output", str(tmp_path / "out")]


def test_search_reports_and_records_all_candidates(
    arguments: list[str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--search", "--qat", "1", *ANY_DROP]) == 0
    output = capsys.readouterr().out
    info = FlowerClassifier(tmp_path / "out" / INT8).info
    tried = info.calibration["tried"]
    assert set(METHODS) < set(tried)
    assert len(tried) == len(METHODS) + 2  # equalization and bias correction
    for title, figures in tried.items():
        assert f"search   {title}:" in output
        assert figures.keys() == {"drop", "agreement", "divergence"}
    # The figures of the layers are in the metadata, and not in the way of the result.
    assert sorted(info.calibration["layers"]) == sorted(BLOCK_LAYERS)
    assert " dB " not in output
    assert sum(line.startswith("search ") for line in output.splitlines()) == len(tried)
    assert "trained on the val photographs, so its top-1 on them does not show a loss" in output
    # The search compares with the network before its fine-tuning, as the guard does.
    chosen = min(tried.values(), key=lambda figures: figures["divergence"])
    measured = info.evaluation["val"]
    assert measured["divergence_from_fp32"] == pytest.approx(chosen["divergence"], rel=0.05)
    assert measured["agreement_with_fp32"] == pytest.approx(chosen["agreement"])
    assert main(["check", str(tmp_path / "out" / INT8), "--data", str(data)]) == 0
    output = capsys.readouterr().out
    assert output.count("ok ") == output.count("\n") == 11
    assert output.count("same top-1 as FP32") == 2
    assert output.count("recorded named") == 2


def test_layers_are_ranked_if_the_goal_is_not_reached(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    all_wrong: Callable[..., np.ndarray] = lambda logits, labels: logits.argmax(axis=1) < 0  # noqa: E731
    monkeypatch.setattr("export.quantization.search.correct_answers", all_wrong)

    def search_with_a_goal_out_of_reach(
        network: Any, histograms: Any, images: Any, labels: Any, max_drop: float, report: Any, **options: Any
    ) -> Any:
        return search(network, histograms, images, labels, -1.0, report, **options)

    monkeypatch.setattr(quantize, "search", search_with_a_goal_out_of_reach)
    main([*arguments, "--search", *ANY_DROP])
    output = capsys.readouterr().out
    assert all(f"stays in float: {layer}, which costs" in output for layer in BLOCK_LAYERS)
    assert f"{len(BLOCK_LAYERS)} layers in float" in output


@pytest.mark.parametrize("method", ["minmax", "entropy", "mse"])
def test_calibration_method_and_number_of_photographs_are_recorded(
    method: str, arguments: list[str], tmp_path: Path
) -> None:
    options = ["--calibrate", method, "--calibration-images", "4", "--evaluate", "none"]
    assert main([*arguments, *options, *ANY_DROP]) == 0
    info = FlowerClassifier(tmp_path / "out" / INT8).info
    assert (info.calibration["method"], info.calibration["images"], list(info.evaluation)) == (method, 4, ["val"])


def test_fp16_without_int8(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--quantize", "fp16", "--evaluate", "none", *ANY_DROP]) == 0
    fp16 = "flowers-resnet50-fp16.onnx"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {FP32, fp16, "SHA256SUMS"}
    info = FlowerClassifier(tmp_path / "out" / fp16).info
    assert (info.precision, info.evaluation["val"]["agreement_with_fp32"]) == ("fp16", 100)


def test_python_interface_returns_what_was_written_and_measured(
    arguments: list[str], data: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    fp32, int8 = export_checkpoint(
        tmp_path / "best.pt",
        data,
        max_drop=100,
        temperature=0.5,
        threshold=0.25,
        evaluate="train",
        evaluation_images=3,
        report=lines.append,
    )
    assert (fp32.path, int8.path) == (tmp_path / FP32, tmp_path / INT8)
    assert int8.size == int8.path.stat().st_size
    assert fp32.comparison is None
    assert int8.comparison is not None
    assert 0 <= int8.comparison.agreement <= 1
    assert int8.measured_on == "train (3 of 5 images)"
    assert FlowerClassifier(int8.path).info == int8.info
    assert (int8.info.temperature, int8.info.threshold) == (0.5, 0.25)
    assert list(int8.info.evaluation) == ["val", "train"]
    assert int8.info.evaluation["train"]["trained_on"]
    assert any(line.startswith("int8 ") for line in lines)


@pytest.mark.parametrize(
    ("arguments_given", "message"),
    [
        ({"max_drop": 101.0}, "max-drop 101.0: must be 0 to 100"),
        ({"temperature": 0.0}, "temperature 0.0: must be"),
        ({"threshold": 2.0}, "threshold 2.0: must be"),
        ({"target": "mobile"}, "target 'mobile': must be one of cpu, cuda"),
        ({"quantize": "int4"}, "quantize 'int4': must be one of none, fp16, int8"),
        ({"calibration_method": "best"}, "calibration_method 'best': must be one of minmax"),
        ({"evaluate": "val"}, "evaluate 'val': must be one of test, train, None"),
    ],
)
def test_wrong_arguments_are_rejected(arguments_given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export_checkpoint(tmp_path / "none.pt", tmp_path, **arguments_given)


def test_a_checkpoint_with_other_classes_is_rejected(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = draw_dataset(tmp_path, classes=3, per_split=(1, 1, 1))
    assert main([*arguments, "--data", str(other)]) == 1
    error = capsys.readouterr().err
    assert "has 5 classes" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_graph_that_differs_from_pytorch_is_not_written(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class NanNetwork:
        def __init__(self, checkpoint: Checkpoint) -> None:
            pass

        def run(self, pixels: np.ndarray) -> Outputs:
            return Outputs(np.full((len(pixels), 5), np.nan), None)

    monkeypatch.setattr(float_network, "TorchNetwork", NanNetwork)
    assert main([*arguments, "--quantize", "none"]) == 1
    assert "differ from PyTorch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_export_that_loses_too_much_is_not_written(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(METHODS, "minmax", lambda histogram, steps: (0.0, 0.01))
    monkeypatch.setattr("export.stages.guard.SHOWN_LAYERS", 3)
    arguments += ["--calibrate", "minmax", "--evaluate", "none"]
    assert main([*arguments, "--max-drop", "0.1"]) == 1
    captured = capsys.readouterr()
    assert "int8 " in captured.err
    assert "more than --max-drop 0.1 allows, so nothing was written" in captured.err
    assert "try --search" in captured.err
    assert captured.out.count(" dB ") == 3
    assert not (tmp_path / "out").exists()
    assert main([*arguments, *ANY_DROP]) == 0


def test_guard_limits_agreement_and_divergence_on_photographs_that_were_trained_on(dataset: Path) -> None:
    photographs = replace(read_split(dataset, "val"), official_size=12)
    same = AccuracyLoss("int8", "INT8", photographs, 100.0, 100.0, 100.0, 0.001, trained_on=True)
    same.check(0.5, "")
    for changed, message in (
        (replace(same, top1=99.0), "loses 1.00 points"),
        (replace(same, agreement=98.9), "answers 1.10 % differently"),
        (replace(same, divergence=0.03), "is 0.03 nats from FP32"),
        (replace(same, divergence=float("nan")), "is nan nats"),
    ):
        with pytest.raises(ExportError, match=message):
            changed.check(0.5, advise(searched=True, fine_tuned=False))
    replace(same, agreement=98.9, divergence=0.03, trained_on=False).check(0.5, "")
    assert advise(searched=True, fine_tuned=False) == "--qat 1"


def test_confidence_of_another_file(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, *ANY_DROP]) == 0
    twin = tmp_path / "twin" / INT8
    (tmp_path / "out").rename(tmp_path / "twin")
    assert main([*arguments, *ANY_DROP, "--confidence-of", str(twin)]) == 0
    ours, theirs = (FlowerClassifier(path).info for path in (tmp_path / "out" / FP32, twin))
    assert (ours.temperature, ours.cuts, ours.strict) == (theirs.temperature, theirs.cuts, theirs.strict)
    assert ours.familiarity == theirs.familiarity
    # A file whose cuts were changed has no expected share any more, and no figures of its verdicts.
    assert main(["metadata", str(twin), "--threshold", "0.9"]) == 0
    changed = FlowerClassifier(twin).info
    assert changed.strict is not None
    assert changed.strict.probability >= 0.9
    assert not {"named", "same_verdict_as_fp32"} & set(changed.evaluation["test"])
    capsys.readouterr()
    assert main([*arguments, *ANY_DROP, "--confidence-of", str(twin), "--temperature", "9"]) == 0
    output = capsys.readouterr().out
    assert "are expected to get a name" not in output
    assert "the threshold 0.9 (strict: " in output  # it was fitted with another temperature
    assert FlowerClassifier(tmp_path / "out" / FP32).info.threshold == 0.9


def test_confidence_of_an_unsuitable_file_is_rejected(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    familiarity = {"scale": 1.0}
    for changes, message in (
        ({}, "has no familiarity"),
        ({"familiarity": {"scale": 10**400}}, "has no familiarity"),
        ({"familiarity": familiarity}, "its classes differs"),
        ({"familiarity": familiarity, "classes": CLASSES[:5]}, "its preprocessing differs"),
    ):
        path = tmp_path / "other.onnx"
        info = replace(INFO, **changes)
        path.write_bytes(tiny_model(info, classes=len(info.classes)).SerializeToString())
        assert main([*arguments, "--confidence-of", str(path)]) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
