"""Export: what the files contain, and that they answer as the checkpoint does."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.ao.quantization import FakeQuantize

from export.command_line.main import main
from export.confidence import cross_entropy, fit_temperature
from export.errors import ExportError
from export.graph.byte_input import with_byte_input
from export.graph.float_graph import build_float_graph
from export.graph.networks import torch_logits
from export.quantization.quantization_aware_training import _rounding_activations, fine_tune_for_int8
from export.quantization.ranges import METHODS
from export.verification.accuracy_guard import SHOWN_LAYERS, AccuracyLoss, advice
from export.verification.comparison import Comparison
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.network.checkpoint import load_checkpoint
from runtime import FlowerClassifier
from runtime.files.digest import file_digest
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session
from tests.samples.drawn_flowers import draw_dataset

ANY_DROP = ("--max-drop", "100")
"""Of the dozen drawn photographs, one is eight points."""
NAMES = ("flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx")


@pytest.fixture(scope="module")
def exported(run_folder: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported")
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(output)]
    assert main([*arguments, "--quantize", "int8", *ANY_DROP]) == 0
    return output


def test_both_files_are_there_and_small(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {*NAMES, "SHA256SUMS"}
    fp32, int8 = ((exported / name).stat().st_size for name in NAMES)
    assert int8 < 0.27 * fp32


def test_fp32_answers_as_pytorch_does(exported: Path, run_folder: Path, dataset: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    session = Session(exported / NAMES[0], device="cpu")
    for size in (1, 3, 12):
        pixels = next(photo_batches(read_split(dataset, "test").paths, checkpoint.preprocessing, size))
        assert np.allclose(session.logits(pixels), torch_logits(checkpoint, pixels), atol=1e-4)


def test_int8_stays_close_to_fp32(exported: Path, dataset: Path) -> None:
    fp32, int8 = (Session(exported / name, device="cpu") for name in NAMES)
    pixels = next(photo_batches(read_split(dataset, "test").paths, fp32.info.preprocessing, 12))
    reference = fp32.logits(pixels)
    assert Comparison.of(int8.logits(pixels), reference).rms_difference < 0.1 * reference.std()


def test_files_describe_themselves(exported: Path, run_folder: Path, dataset: Path) -> None:
    fp32, int8 = (FlowerClassifier(exported / name).info for name in NAMES)
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert fp32.classes == int8.classes == load_checkpoint(run_folder / "best.pt").classes
    assert int8.preprocessing.size == 64
    assert int8.calibration == {
        "method": "percentile",
        "split": "val",
        "images": 12,
        "sha256": read_split(dataset, "val").digest(),
        "float_layers": [],
    }
    assert fp32.calibration == {}
    for split in ("val", "test"):
        assert int8.evaluation[split].keys() >= {"images", "top1", "fp32_top1", "agreement_with_fp32"}
    assert int8.training["checkpoint_sha256"] == file_digest(run_folder / "best.pt")
    assert int8.versions["onnxruntime"] == onnxruntime.__version__


def test_the_temperature_is_that_of_least_surprise() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((4000, 10))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(logits * 4, labels) == pytest.approx(4, rel=0.05)
    assert cross_entropy(np.zeros((5, 10)), np.arange(5)) == pytest.approx(np.log(10))


def test_files_hold_no_paths_of_this_machine(exported: Path, run_folder: Path) -> None:
    for name in NAMES:
        content = (exported / name).read_bytes()
        for place in (str(Path(__file__).parents[2]), sys.prefix, str(run_folder)):
            assert place.encode() not in content


def test_weights_have_a_scale_for_each_channel(exported: Path) -> None:
    model = onnx.load(exported / NAMES[1])
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    scales = [shapes[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert [64] in scales
    assert [2048] in scales


@pytest.mark.parametrize("inside", [False, True], ids=["just exported", "the model inside"])
def test_nothing_is_computed_in_float(inside: bool, exported: Path, tmp_path: Path) -> None:
    """Read from onnxruntime's own optimised graph: from the photo's bytes to the logits, all is INT8."""
    path = DEFAULT_MODEL if inside else exported / NAMES[1]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert operators["QLinearConv"] == 53
    moving_bytes = {"Transpose", "Reshape", "Flatten", "MaxPool", "NhwcMaxPool"}
    quantized = {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm"}
    assert set(operators) <= moving_bytes | quantized


def test_the_intake_keeps_the_graph_it_was_given(run_folder: Path) -> None:
    core = build_float_graph(load_checkpoint(run_folder / "best.pt"))
    before = core.SerializeToString(deterministic=True)
    assert with_byte_input(core).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert core.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("method", ["minmax", "entropy", "mse"])
def test_other_calibrations(method: str, run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--calibrate", method, "--calibration-images", "4", "--evaluate", "none", *ANY_DROP]) == 0
    info = FlowerClassifier(tmp_path / NAMES[1]).info
    assert (info.calibration["method"], info.calibration["images"], list(info.evaluation)) == (method, 4, ["val"])


def test_a_checkpoint_with_other_classes_is_refused(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = draw_dataset(tmp_path, classes=3, per_split=(1, 1, 1))
    assert (
        main(["--checkpoint", str(run_folder / "best.pt"), "--data", str(other), "--output", str(tmp_path / "out")])
        == 1
    )
    error = capsys.readouterr().err
    assert "knows 4 classes" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_export_that_differs_from_pytorch_is_not_written(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "export.stages.pipeline.torch_logits", lambda checkpoint, pixels: np.full((len(pixels), 4), np.nan)
    )
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--quantize", "none"]) == 1
    assert "differ from PyTorch" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_loses_too_much_is_not_written(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(METHODS, "minmax", lambda histogram: (0.0, 0.01))
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--calibrate", "minmax"]) == 1
    captured = capsys.readouterr()
    assert "more than --max-drop 0.5" in captured.err
    assert "try --search" in captured.err
    assert sum(" dB " in line for line in captured.out.splitlines()) == SHOWN_LAYERS
    assert list(tmp_path.iterdir()) == []
    assert main([*arguments, "--calibrate", "minmax", "--evaluate", "none", *ANY_DROP]) == 0


def test_the_guard_is_not_blind_where_the_photographs_were_trained_on(dataset: Path) -> None:
    photographs = replace(read_split(dataset, "val"), official_size=12)
    same = AccuracyLoss("int8", "INT8", photographs, 100.0, 100.0, 100.0, 0.001, trained_on=True)
    same.check(0.5, "")
    for changes, words in (
        ({"top1": 99.0}, "loses 1.00 points"),
        ({"agreement": 98.9}, "answers 1.10 % otherwise"),
        ({"divergence": 0.03}, "is 0.03 nats from FP32"),
        ({"divergence": float("nan")}, "is nan nats"),
    ):
        with pytest.raises(ExportError, match=words):
            replace(same, **changes).check(0.5, advice(searched=True, fine_tuned=False))
    replace(same, agreement=98.9, divergence=0.03, trained_on=False).check(0.5, "")
    assert advice(searched=True, fine_tuned=False) == "--qat 1"


@pytest.mark.slow
def test_a_search_on_a_network_fine_tuned_for_int8(
    run_folder: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--search", "--qat", "1", "--evaluate", "none", *ANY_DROP]) == 0
    said = capsys.readouterr().out
    info = FlowerClassifier(tmp_path / NAMES[1]).info
    tried = info.calibration["tried"]
    assert len(tried) == len(METHODS) + 2
    assert set(METHODS) < set(tried)
    for title, figures in tried.items():
        assert f"search   {title}:" in said
        assert figures.keys() == {"drop", "agreement", "divergence"}
    assert said.count(" dB ") == 54  # every layer
    assert info.calibration["qat"]["images"] == 24
    # The search has compared with the network before its fine-tuning, as the guard does.
    chosen = min(tried.values(), key=lambda figures: figures["divergence"])
    assert info.evaluation["val"]["agreement_with_fp32"] == chosen["agreement"]
    assert info.evaluation["val"]["divergence_from_fp32"] == pytest.approx(chosen["divergence"], rel=0.05)


def test_fp16_without_int8(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--quantize", "fp16", "--evaluate", "none", *ANY_DROP]) == 0
    names = ("flowers-resnet50-fp32.onnx", "flowers-resnet50-fp16.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {*names, "SHA256SUMS"}
    fp16 = FlowerClassifier(tmp_path / names[1]).info
    assert (fp16.precision, fp16.evaluation["val"]["agreement_with_fp32"]) == ("fp16", 100)


def test_a_file_is_what_it_says_it_is(
    exported: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dataset), "--check"]
    assert main([*arguments, str(exported / NAMES[1])]) == 0
    said = capsys.readouterr().out
    assert said.count("ok ") == said.count("\n") == 9
    assert said.count("same top-1 as FP32") == said.count("mean per class") == 2
    copied = Path(shutil.copytree(exported, tmp_path / "copied"))
    _restate(copied / NAMES[1], val={"mean_per_class": 101}, test={"agreement_with_fp32": 0})
    assert main([*arguments, str(copied / NAMES[1])]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert ["mean per class 101" in failed[1], "FP32 0.00 %" in failed[2], len(failed)] == [True, True, 3]
    (copied / NAMES[0]).unlink()  # alone, the file is not compared with FP32
    assert main([*arguments, str(copied / NAMES[1])]) == 1
    assert "same top-1" not in capsys.readouterr().out
    other = draw_dataset(tmp_path, classes=5, per_split=(1, 1, 1))
    assert main(["--data", str(other), "--check", str(exported / NAMES[1])]) == 1
    assert "class names are not the data set's: 4 of them, 5 there" in capsys.readouterr().out
    model = onnx.load(copied / NAMES[1])
    (copied / NAMES[1]).unlink()
    for entry in model.metadata_props:
        if entry.key == "flower_edge.evaluation":
            entry.value = json.dumps({"val": {"images": 12, "top1": 100.5}, "test": 1, "else": {"images": "x"}})
        elif entry.key == "flower_edge.calibration":
            entry.value = json.dumps({"split": ["val"], "images": -1})
    onnx.save(model, copied / NAMES[1])
    assert main([*arguments, str(copied / NAMES[1])]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("FAILED") == 5
    assert "5 of the above do not hold" in captured.err


def _restate(path: Path, **changes: dict[str, float]) -> None:
    """Let a file say something else of its accuracy."""
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "flower_edge.evaluation":
            stated = json.loads(entry.value)
            entry.value = json.dumps({split: {**stated[split], **changes[split]} for split in stated})
    onnx.save(model, path)


def test_the_manifest_is_that_of_sha256sum(exported: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=exported, check=True, capture_output=True)


def test_files_for_cuda(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--target", "cuda", "--evaluate", "none", *ANY_DROP]) == 0
    names = ("fp32", "fp16", "int8-tensorrt")
    fp32, fp16, int8 = (Session(tmp_path / f"flowers-resnet50-{name}.onnx", device="cpu") for name in names)
    pixels = next(photo_batches(read_split(dataset, "test").paths, fp32.info.preprocessing, 12))
    reference = fp32.logits(pixels)
    assert Comparison.of(fp16.logits(pixels), reference).rms_difference < 0.01 * reference.std()
    assert Comparison.of(int8.logits(pixels), reference).rms_difference < 0.2 * reference.std()
    assert fp16.path.stat().st_size < 0.51 * fp32.path.stat().st_size
    for session in (fp16, int8):  # TensorRT refuses unsigned bytes anywhere but in a Cast
        takers = [node.op_type for node in onnx.load(session.path).graph.node if "image" in node.input]
        assert takers == ["Cast"]
    model = onnx.load(int8.path)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert quantizers
    for node in quantizers:
        zero = values[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()


def test_a_bundle_for_phones_beside_the_files_it_is_made_from(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copy(run_folder / "best.pt", tmp_path)
    assert main(["--target", "mobile", "--checkpoint", checkpoint, "--data", str(dataset), *ANY_DROP]) == 0
    assert {path.name for path in tmp_path.glob("*.onnx")} == set(NAMES)
    stated = json.loads((tmp_path / "mobile" / "manifest.json").read_text())
    assert stated["model"] == {
        "name": NAMES[1],
        "sha256": file_digest(tmp_path / NAMES[1]),
        "architecture": "resnet50",
        "precision": "int8",
    }
    assert stated["check"]["flowers-64.ort"]["images"] == len(read_split(dataset, "test"))


def test_fine_tuning_rounds_where_int8_does(run_folder: Path, dataset: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    network = _rounding_activations(checkpoint.network().resnet, tensorrt=False)
    # 49 after a ReLU, 16 before an addition, 4 on the way past a block.
    assert sum(isinstance(module, FakeQuantize) for module in network.modules()) == 69
    tuned = fine_tune_for_int8(checkpoint, read_split(dataset, "train").head(16), epochs=1)
    assert tuned.state_dict.keys() == checkpoint.state_dict.keys()
    assert tuned.provenance["qat"]["images"] == 16
    moved = [name for name in tuned.state_dict if not torch.equal(tuned.state_dict[name], checkpoint.state_dict[name])]
    assert len(moved) > 100
    assert not any("running" in name for name in moved)
