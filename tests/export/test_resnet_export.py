"""The files of one export of a ResNet-50: what they contain, and that they answer as the checkpoint does."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.command_line import main
from export.graph.networks import TorchNetwork
from export.quantization.ranges import METHODS
from export.verification.comparison import Comparison
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.network.checkpoint import load_checkpoint
from runtime import FlowerClassifier
from runtime.files.digest import file_digest
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL

ANY_DROP = ("--max-drop", "100")
"""Because one of the dozen drawn photographs is eight percentage points."""
NAMES = ("flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx")


def test_export_writes_two_files_and_a_manifest(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {*NAMES, "SHA256SUMS"}
    fp32, int8 = ((exported / name).stat().st_size for name in NAMES)
    assert int8 < 0.27 * fp32


def test_manifest_has_the_format_of_sha256sum(exported: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=exported, check=True, capture_output=True)


def test_fp32_answers_as_pytorch_does(exported: Path, run_folder: Path, dataset: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    session, network = Session(exported / NAMES[0], device="cpu"), TorchNetwork(checkpoint)
    for size in (1, 3, 12):
        pixels = next(photo_batches(read_split(dataset, "test").paths, checkpoint.preprocessing, size))
        assert np.allclose(session.logits(pixels), network.run(pixels).logits, atol=1e-4)


def test_int8_stays_close_to_fp32(exported: Path, dataset: Path) -> None:
    fp32, int8 = (Session(exported / name, device="cpu") for name in NAMES)
    pixels = next(photo_batches(read_split(dataset, "test").paths, fp32.info.preprocessing, 12))
    reference = fp32.logits(pixels)
    assert Comparison.of(int8.logits(pixels), reference).rms_difference < 0.1 * reference.std()


def test_files_hold_their_metadata(exported: Path, run_folder: Path, dataset: Path) -> None:
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


def test_files_hold_no_paths_of_this_machine(exported: Path, run_folder: Path) -> None:
    for name in NAMES:
        content = (exported / name).read_bytes()
        for path in (str(Path(__file__).parents[2]), sys.prefix, str(run_folder)):
            assert path.encode() not in content


def test_weights_have_a_scale_for_each_channel(exported: Path) -> None:
    model = onnx.load(exported / NAMES[1])
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    scales = [shapes[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert [64] in scales
    assert [2048] in scales


@pytest.mark.parametrize("inside", [False, True], ids=["exported", "model inside"])
def test_nothing_is_computed_in_float(inside: bool, exported: Path, tmp_path: Path) -> None:
    """In onnxruntime's optimised graph, everything from the photo's bytes to the logits is INT8.

    Only the familiarity is computed in float, from the dequantized features.
    """
    path = DEFAULT_MODEL if inside else exported / NAMES[1]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    producers = {output: node for node in graph.node for output in node.output}
    pending, operators = ["logits"], Counter[str]()
    while pending:
        node = producers.pop(pending.pop(), None)
        if node is not None:
            operators[node.op_type] += 1
            pending += node.input
    assert operators["QLinearConv"] == 53
    moving_bytes = {"Transpose", "Reshape", "Flatten", "MaxPool", "NhwcMaxPool"}
    quantized = {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm"}
    assert set(operators) <= moving_bytes | quantized


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
    for session in (fp16, int8):  # TensorRT accepts unsigned bytes as the input of a Cast only
        consumers = [node.op_type for node in onnx.load(session.path).graph.node if "image" in node.input]
        assert consumers == ["Cast"]
    model = onnx.load(int8.path)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert quantizers
    for node in quantizers:
        zero = values[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()


def test_mobile_bundle_of_an_exported_file(exported: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(exported / NAMES[1]), "--data", str(dataset), "--output", str(tmp_path / "mobile")]
    assert main(["mobile", *arguments]) == 0
    manifest = json.loads((tmp_path / "mobile" / "manifest.json").read_text())
    assert manifest["model"] == {
        "name": NAMES[1],
        "sha256": file_digest(exported / NAMES[1]),
        "architecture": "resnet50",
        "precision": "int8",
    }
    assert manifest["check"]["flowers-64.ort"]["images"] == len(read_split(dataset, "test"))


@pytest.mark.slow
def test_search_after_quantization_aware_fine_tuning(
    run_folder: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(tmp_path)]
    assert main([*arguments, "--search", "--qat", "1", "--evaluate", "none", *ANY_DROP]) == 0
    output = capsys.readouterr().out
    info = FlowerClassifier(tmp_path / NAMES[1]).info
    tried = info.calibration["tried"]
    assert len(tried) == len(METHODS) + 2
    assert set(METHODS) < set(tried)
    for title, figures in tried.items():
        assert f"search   {title}:" in output
        assert figures.keys() == {"drop", "agreement", "divergence"}
    assert len(info.calibration["layers"]) == 54  # every layer
    assert info.calibration["qat"]["images"] == 24
    # The search compares with the network before its fine-tuning, as the guard does.
    chosen = min(tried.values(), key=lambda figures: figures["divergence"])
    assert info.evaluation["val"]["agreement_with_fp32"] == chosen["agreement"]
    assert info.evaluation["val"]["divergence_from_fp32"] == pytest.approx(chosen["divergence"], rel=0.05)
