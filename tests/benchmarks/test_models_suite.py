"""The suite about model files, and naive quantization."""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.baselines.naive_quantization import quantize_naively
from benchmarks.command_line import main
from benchmarks.suites import models as models_suite
from finetune.data.dataset import read_split
from runtime.inference.session import Session


@pytest.fixture(scope="module")
def report(exported: Path, run_folder: Path, dataset: Path, make_once: Callable[..., Path]) -> Path:
    """The folder of a report on a checkpoint and its two model files."""

    def make(folder: Path) -> None:
        models = [str(exported / f"flowers-resnet50-{precision}.onnx") for precision in ("fp32", "int8")]
        arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--models", *models]
        assert main([*arguments, "--rounds", "2", "--report", str(folder)]) == 0

    return make_once("models-report", make)


def test_report_records_what_was_measured(report: Path) -> None:
    figures = json.loads((report / "report.json").read_text())
    torch, fp32, int8 = figures["models"]
    assert [torch["name"], fp32["name"], int8["name"]] == ["PyTorch FP32", "ONNX FP32", "ONNX INT8"]
    assert figures["split"]["images"] == 12
    assert fp32["accuracy"]["top1"] == torch["accuracy"]["top1"]
    assert fp32["accuracy"]["against_reference"]["agreement"] == 1
    assert fp32["speedup"]["median"] == 1
    for model in (fp32, int8):
        assert model["bytes"] > 10**7
        assert model["peak_memory_bytes"] > model["bytes"]
        assert 0 < model["latency"]["p50_ms"] <= model["latency"]["p99_ms"]
        assert model["cold_start"]["p50_ms"] > 0
    assert figures["machine"]["versions"].keys() >= {"onnxruntime", "torch"}
    assert figures["command"].startswith("python -m benchmarks --checkpoint ")


def test_markdown_and_html_have_the_figures_of_the_json(report: Path) -> None:
    figures = json.loads((report / "report.json").read_text())
    for name in ("report.md", "report.html"):
        text = (report / name).read_text()
        for model in figures["models"]:
            assert model["name"] in text
            assert f"{100 * model['accuracy']['top1']:.2f}" in text
        assert figures["worst_classes"][0]["name"] in text
        assert "{{" not in text
    assert (report / "report.html").read_text().count("data:image/png;base64,") == 4
    for name in ("accuracy", "latency", "classes", "confusion"):
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("precision", "activations"), [("naive int8", np.int8), ("naive u8s8 int8", np.uint8)])
def test_naive_quantization_has_the_recorded_precision(
    precision: str, activations: type, exported: Path, dataset: Path, tmp_path: Path
) -> None:
    level = logging.getLogger().level
    fp32, photographs = exported / "flowers-resnet50-fp32.onnx", read_split(dataset, "val").head(2)
    naive = quantize_naively(fp32, photographs, tmp_path / "naive.onnx", precision)
    assert logging.getLogger().level == level
    assert Session(naive, device="cpu").info.precision == precision
    graph = onnx.load(naive).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zero_points = {
        kind: [values[node.input[2]] for node in graph.node if node.op_type == kind]
        for kind in ("QuantizeLinear", "DequantizeLinear")
    }
    assert {zero.dtype.type for zero in zero_points["QuantizeLinear"]} == {activations}
    assert np.int8 in {zero.dtype.type for zero in zero_points["DequantizeLinear"]}  # the weights
    assert all(zero.ndim == 0 for zero in zero_points["DequantizeLinear"])  # one scale for each tensor


def test_default_models_are_those_of_the_run_whatever_their_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_suite, "EXPORTED", tmp_path)

    def default() -> list[str]:
        parser = argparse.ArgumentParser()
        models_suite.add_arguments(parser)
        return [path.name for path in parser.parse_args([]).models]

    assert default() == ["flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx"]
    for name in ("my-plants-resnet50-fp32.onnx", "my-plants-resnet50-int8.onnx", "my-plants-resnet50-naive.onnx"):
        (tmp_path / name).touch()
    assert default() == ["my-plants-resnet50-fp32.onnx", "my-plants-resnet50-int8.onnx"]


def test_missing_model_is_one_line_and_nothing_is_written(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["--models", str(tmp_path / "none.onnx"), "--data", str(dataset), "--report", str(output)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not output.exists()
