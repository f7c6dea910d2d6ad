"""Counting the instructions of one answer on an emulated Raspberry Pi."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks import run_suite
from benchmarks.environments.instruction_counter import fetch_counter
from benchmarks.measurements.emulated.instructions import STEPS, networks_up_to_each_stage, total
from runtime import FlowerError
from runtime.inference.model_file import INPUT
from tests.samples.emulators import fetch_or_skip


def test_networks_end_after_each_stage(exported: Path, tmp_path: Path) -> None:
    for precision, kind in (("int8", np.uint8), ("fp32", np.float32)):
        networks = networks_up_to_each_stage(next(exported.glob(f"*-{precision}.onnx")), tmp_path)
        assert list(networks) == ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
        shapes = []
        for network in networks.values():
            session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
            (output,) = session.run(None, {INPUT: np.zeros((1, 64, 64, 3), np.uint8)})
            assert output.dtype == (kind if network != networks["fc"] else np.float32)
            shapes.append(output.shape[1:])
        assert [shape[-1] for shape in shapes[:4]] == [16, 16, 8, 4]
        assert shapes[4:] == [(2048,), (4,)]


def test_other_model_is_an_error(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", [INPUT], ["y"])], "g", [value], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(FlowerError, match="no layer 'layer1'"):
        networks_up_to_each_stage(tmp_path / "other.onnx", tmp_path)


def test_later_run_is_not_part_of_an_answer() -> None:
    assert total(dict.fromkeys(STEPS, 1)) == len(STEPS) - 1


@pytest.mark.real
@pytest.mark.emulation
def test_network_takes_fewer_instructions_with_dot_products(real_data: Path, tmp_path: Path) -> None:
    cache = fetch_or_skip(fetch_counter)
    report = run_suite(
        "instructions", ["--models", "full", "--data", str(real_data), "--cache", str(cache), "--report", str(tmp_path)]
    )
    old, new = report.figures["rows"]
    assert old["steps"][STEPS[-1]] > 2 * new["steps"][STEPS[-1]]
    for row in (old, new):
        assert sum(row["stages"].values()) == pytest.approx(row["steps"][STEPS[-1]], rel=0.05)
        assert row["command"] > total(row["steps"])
