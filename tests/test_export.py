"""Export: what the files contain, and that they answer as the checkpoint does."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.cli import main
from export.evaluation import Comparison
from export.graph import build_core, torch_logits, with_intake
from export.temperature import cross_entropy, fit_temperature
from finetune.checkpoint import load_checkpoint, sha256_of
from finetune.dataset import read_split
from finetune.photos import batches
from runtime import FlowerClassifier
from runtime.session import Session
from tests.drawn_flowers import draw_dataset

NAMES = ("flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx")


@pytest.fixture(scope="module")
def exported(run_folder: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported")
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(output)]
    assert main([*arguments, "--quantize", "int8"]) == 0
    return output


def test_both_files_are_there_and_small(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == set(NAMES)
    fp32, int8 = ((exported / name).stat().st_size for name in NAMES)
    assert int8 < 0.27 * fp32


def test_fp32_answers_as_pytorch_does(exported: Path, run_folder: Path, dataset: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    session = Session(exported / NAMES[0], device="cpu")
    for size in (1, 3, 12):
        pixels = next(batches(read_split(dataset, "test").paths, checkpoint.preprocessing, size))
        assert np.allclose(session.logits(pixels), torch_logits(checkpoint, pixels), atol=1e-4)


def test_int8_stays_close_to_fp32(exported: Path, dataset: Path) -> None:
    fp32, int8 = (Session(exported / name, device="cpu") for name in NAMES)
    pixels = next(batches(read_split(dataset, "test").paths, fp32.info.preprocessing, 12))
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
    }
    assert fp32.calibration == {}
    for split in ("val", "test"):
        assert int8.evaluation[split].keys() >= {"images", "top1", "fp32_top1", "agreement_with_fp32"}
    assert int8.training["checkpoint_sha256"] == sha256_of(run_folder / "best.pt")
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
        for place in (str(Path(__file__).parents[1]), sys.prefix, str(run_folder)):
            assert place.encode() not in content


def test_weights_have_a_scale_for_each_channel(exported: Path) -> None:
    model = onnx.load(exported / NAMES[1])
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    scales = [shapes[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert [64] in scales
    assert [2048] in scales


def test_nothing_is_computed_in_float(exported: Path, tmp_path: Path) -> None:
    """Read from onnxruntime's own optimised graph: from the photo's bytes to the logits, all is INT8."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(exported / NAMES[1], options, providers=["CPUExecutionProvider"])
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert operators["QLinearConv"] == 53
    moving_bytes = {"Transpose", "Reshape", "Flatten", "MaxPool", "NhwcMaxPool"}
    quantized = {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm"}
    assert set(operators) <= moving_bytes | quantized


def test_the_intake_keeps_the_graph_it_was_given(run_folder: Path) -> None:
    core = build_core(load_checkpoint(run_folder / "best.pt"))
    before = core.SerializeToString(deterministic=True)
    assert with_intake(core).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert core.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_other_calibrations(method: str, run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--calibrate", method, "--calibration-images", "4", "--evaluate", "none"]) == 0
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
    monkeypatch.setattr("export.pipeline.torch_logits", lambda checkpoint, pixels: np.full((len(pixels), 4), np.nan))
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--quantize", "none"]) == 1
    assert "differ from PyTorch" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
