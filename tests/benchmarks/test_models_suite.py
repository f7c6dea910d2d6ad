"""Benchmarks: the statistics, and that a report holds what was measured."""

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.baselines.naive_quantization import quantize_naively
from benchmarks.command_line import main
from benchmarks.core.intervals import bootstrap_difference, bootstrap_mean_per_class, wilson
from benchmarks.core.timing import interleaved, percentiles, speedup
from benchmarks.measurements.accuracy import confused_pairs, worst_classes
from export.command_line.main import main as export
from finetune.accuracy import confusion, mean_per_class, per_class, top_k
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.inference.session import Session

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 2, 1])
LOGITS = np.eye(4)[ANSWERS]
SPLIT = Split("test", tuple(Path(str(index)) for index in range(7)), LABELS, ("rose", "lily", "iris", "fern"), 7)


def test_accuracy() -> None:
    assert top_k(LOGITS, LABELS) == pytest.approx(4 / 7)
    assert per_class(LOGITS, LABELS) == pytest.approx([0.75, 0.5, 0, np.nan], nan_ok=True)
    assert mean_per_class(LOGITS, LABELS) == pytest.approx(1.25 / 3)
    assert confusion(ANSWERS, LABELS, 4).tolist() == [[3, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    # Image 5 is an iris to the network, its label a lily: among all zeros the lower index goes first.
    assert top_k(LOGITS, LABELS, 2) == pytest.approx(5 / 7)
    assert top_k(LOGITS, LABELS, 4) == 1


def test_worst_classes_and_pairs() -> None:
    assert [entry["name"] for entry in worst_classes(LOGITS, SPLIT)] == ["iris", "lily", "rose"]
    assert worst_classes(LOGITS, SPLIT)[0]["taken_for"] == "lily"
    assert confused_pairs(LOGITS, SPLIT)[0] == {"true": "rose", "answer": "lily", "images": 1}


def test_wilson_is_the_published_interval() -> None:
    # R: prop.test(81, 263, correct = FALSE)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_bootstraps_hold_the_figure_and_narrow_with_more_images() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(10), 100)
    hits = random.random(1000) < 0.9
    low, high = bootstrap_mean_per_class(hits, labels)
    assert low < hits.mean() < high
    assert 0.02 < high - low < 0.06
    assert bootstrap_difference(hits, hits) == (0, 0)
    other = hits.copy()
    other[:10] = ~other[:10]
    low, high = bootstrap_difference(hits, other)
    assert low <= hits.mean() - other.mean() <= high


def test_every_contestant_runs_in_every_round() -> None:
    order: list[str] = []
    seconds = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, 4, "test")  # type: ignore[misc]
    assert "".join(order)[-8:] == "abbaabba"
    assert seconds["a"].shape == (4,)


def test_latency_figures() -> None:
    seconds = np.arange(1, 102) / 1000
    assert percentiles(seconds)["p50_ms"] == pytest.approx(51)
    assert percentiles(seconds)["p99_ms"] == pytest.approx(100)
    assert speedup(seconds, 3 * seconds) == pytest.approx({"median": 3, "p25": 3, "p75": 3})


@pytest.fixture(scope="module")
def exported(run_folder: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported")
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(output)]
    assert export([*arguments, "--evaluate", "none", "--max-drop", "100"]) == 0
    return output


@pytest.fixture(scope="module")
def report(exported: Path, run_folder: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset)]
    models = [str(exported / f"flowers-resnet50-{precision}.onnx") for precision in ("fp32", "int8")]
    assert main([*arguments, "--models", *models, "--rounds", "3", "--output", str(folder)]) == 0
    return folder


def test_the_report_holds_what_was_measured(report: Path) -> None:
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


def test_the_report_reads_the_same_in_all_forms(report: Path) -> None:
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
def test_naive_quantization_is_what_it_is_called(
    precision: str, activations: type, exported: Path, dataset: Path, tmp_path: Path
) -> None:
    level = logging.getLogger().level
    fp32, photographs = exported / "flowers-resnet50-fp32.onnx", read_split(dataset, "val").head(2)
    made = quantize_naively(fp32, photographs, tmp_path / "naive.onnx", precision)
    assert logging.getLogger().level == level
    assert Session(made, device="cpu").info.precision == precision
    graph = onnx.load(made).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zeros = {kind: [values[node.input[2]] for node in graph.node if node.op_type == kind]
             for kind in ("QuantizeLinear", "DequantizeLinear")}  # fmt: skip
    assert {zero.dtype.type for zero in zeros["QuantizeLinear"]} == {activations}
    assert np.int8 in {zero.dtype.type for zero in zeros["DequantizeLinear"]}  # the weights
    assert all(zero.ndim == 0 for zero in zeros["DequantizeLinear"])  # a scale a tensor


def test_a_model_that_is_not_there(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--models", str(tmp_path / "none.onnx"), "--data", str(dataset), "--output", str(tmp_path / "out")]) == 1
    )
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
