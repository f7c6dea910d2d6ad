"""Counting the instructions of one answer on an emulated Raspberry Pi."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks import run_suite
from benchmarks.engines.opening.openers import OPENERS
from benchmarks.engines.registry import FORM_ENGINES
from benchmarks.environments.emulators import EmulationError, Processor
from benchmarks.environments.instruction_counter import fetch_counter
from benchmarks.measurements.emulated import engines
from benchmarks.measurements.emulated.instructions import STEPS, networks_up_to_each_stage, total
from benchmarks.measurements.engines.contestants import Absent, Contestant
from benchmarks.suites.processors.instructions import ARM
from finetune.network.photo_network import PIXEL_ZERO
from runtime import FlowerError
from runtime.inference.model_file import INPUT
from runtime.photos.preprocessing import Preprocessing
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


def test_other_engines_are_counted_on_each_processor(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(processor: Processor, folders: Sequence[Path], arguments: Sequence[str], _: object) -> dict[str, int]:
        worker, mode, *what, pixels, zero, expected = arguments
        if what[0] == "ncnn":
            raise EmulationError("answers class 5 instead of 3")
        assert Path(worker).is_file()
        assert (mode, what) == ("engine", ["litert", "int8", str(tmp_path)])
        assert np.load(pixels).shape == (1, 64, 64, 3)
        assert (zero, expected) == (str(PIXEL_ZERO), "3")
        assert folders[1].name == "packages"
        return {"0": 1_000, "1": 1_000 + len(processor.name)}

    counter = SimpleNamespace(count=count, emulators=None)
    monkeypatch.setattr(engines, "fetch_arm_wheel", lambda *_: tmp_path / "packages")
    monkeypatch.setattr(Contestant, "answers", lambda *_: np.array([3]))
    ncnn, litert = FORM_ENGINES["ncnn"], FORM_ENGINES["litert"]
    found = [
        Contestant(litert, litert.form("int8"), tmp_path, "INT8", Preprocessing(size=64)),
        Contestant(ncnn, ncnn.form("fp16"), tmp_path, "FP16", Preprocessing(size=64)),
        Absent("ncnn", "FP16", "not installed"),
    ]
    rows = [*engines.count_engines(counter, ARM, found, dataset, "val")]  # type: ignore[arg-type]
    names = {processor.name: len(processor.name) for processor in ARM}
    package = engines.WHEELS["litert", "int8"]
    assert rows == [
        {"engine": "litert", "form": "INT8", "package": package, "instructions": names},
        {"engine": "ncnn", "form": "FP16", "absent": "answers class 5 instead of 3"},
        {"engine": "ncnn", "form": "FP16", "absent": "not installed"},
    ]


def test_counted_forms_exist() -> None:
    for engine, form in engines.WHEELS:
        assert FORM_ENGINES[engine].form(form).make is not None
        assert (engine, form) in OPENERS


def test_engines_need_a_checkpoint(dataset: Path, tmp_path: Path) -> None:
    arguments = ["--only", "engines", "--data", str(dataset), "--report", str(tmp_path)]
    with pytest.raises(FlowerError, match="--checkpoint"):
        run_suite("instructions", arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.emulation
def test_network_takes_fewer_instructions_with_dot_products(real_data: Path, tmp_path: Path) -> None:
    cache = fetch_or_skip(fetch_counter)
    report = run_suite(
        "instructions", ["--models", "full", "--data", str(real_data), "--cache", str(cache), "--report", str(tmp_path)]
    )
    old, new = report.figures["answers"]["rows"]
    assert old["steps"][STEPS[-1]] > 2 * new["steps"][STEPS[-1]]
    for row in (old, new):
        assert sum(row["stages"].values()) == pytest.approx(row["steps"][STEPS[-1]], rel=0.05)
        assert row["command"] > total(row["steps"])
