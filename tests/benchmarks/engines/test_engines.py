"""Comparing engines: which take part, their forms, the work of a network and the processor's peak."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from benchmarks import run_suite
from benchmarks.core.machine import describe_machine
from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.form_folder import form_bytes, form_folder, is_made, make_form
from benchmarks.engines.opening.answer import Answer
from benchmarks.engines.registry import FORM_ENGINES, MODEL_FILE_ENGINES
from benchmarks.engines.source import Source, float_pixels
from benchmarks.measurements.engines import contestants
from benchmarks.measurements.engines.contestants import Absent, Contestant, of_checkpoint
from benchmarks.measurements.engines.int8_peak import INSTRUCTIONS, SOURCE, choose_instruction, compile_program
from benchmarks.measurements.engines.network_macs import count_model_macs, graph_macs
from finetune.network.checkpoint import load_checkpoint
from runtime import FlowerError
from runtime.files.digest import file_digest

FEATURES = describe_machine()["features"]
FORMS = [(engine, form) for engine in FORM_ENGINES.values() for form in engine.forms]
needs_compiler = pytest.mark.skipif(
    choose_instruction(FEATURES) is None or shutil.which("cc") is None, reason="no C compiler, or no INT8 instruction"
)


def never_opened(path: Path, threads: int) -> Answer:
    raise AssertionError((path, threads))


def write_weights(source: Source, folder: Path) -> None:
    (folder / "weights").write_bytes(b"123")


def fake_engine(*packages: str) -> Engine:
    return Engine(
        "fake", packages, (Form("int8", "INT8, {photographs} photographs", "none", never_opened, write_weights),)
    )


def test_what_is_not_installed_is_named() -> None:
    engine = Engine("fake", ("numpy",), (Form("int8", "", "", never_opened, packages=("not-there",)),))
    reason = engine.missing(engine.forms[0])
    assert reason == "not installed: not-there; run: pip install 'flower-edge[engines]'"
    assert fake_engine("numpy").missing(engine.forms[0]) == reason
    assert MODEL_FILE_ENGINES["onnxruntime"].missing(MODEL_FILE_ENGINES["onnxruntime"].forms[0]) is None


def test_forms_are_used_again_for_the_same_checkpoint_only(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = fake_engine("numpy")
    monkeypatch.setattr(contestants, "FORM_ENGINES", {"fake": engine})
    made = []

    def run_worker(title: str, worker: str, *arguments: str) -> str:
        _, _, checkpoint, data, photographs, folder, record = arguments
        source = Source(Path(checkpoint), Path(data), int(photographs))
        make_form(Path(folder), json.loads(record), lambda new: write_weights(source, new))
        made.append(worker)
        return ""

    monkeypatch.setattr(contestants, "run_worker", run_worker)
    path = run_folder / "best.pt"
    for photographs in (2, 2, 3):
        (found,) = of_checkpoint(path, load_checkpoint(path), dataset, photographs, tmp_path)
        assert isinstance(found, Contestant)
        assert found.words == f"INT8, {photographs} photographs"
        assert found.describe()["bytes"] == 3
        assert found.path == form_folder(tmp_path, file_digest(path), "fake", "int8")
    assert made == ["engine_form"] * 2


def test_a_conversion_that_fails_is_a_line(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The process of the worker does not know this engine.
    monkeypatch.setattr(contestants, "FORM_ENGINES", {"fake": fake_engine("numpy"), "gone": fake_engine("not-there")})
    path = run_folder / "best.pt"
    checkpoint = load_checkpoint(path)
    assert not [*of_checkpoint(path, checkpoint, dataset, 2, tmp_path, only={("fake", "another")})]
    failed, gone = of_checkpoint(path, checkpoint, dataset, 2, tmp_path)
    assert failed == Absent("fake", "INT8, 2 photographs", "conversion failed: KeyError: 'fake'")
    assert isinstance(gone, Absent)
    assert "not installed: not-there" in gone.reason
    assert not any(tmp_path.iterdir())


def test_a_form_is_complete_or_not_there(tmp_path: Path) -> None:
    folder, record = tmp_path / "forms" / "form", {"checkpoint_sha256": "a"}

    def write_two_bytes(new: Path) -> None:
        (new / "weights").write_bytes(b"12")

    def fail(new: Path) -> None:
        (new / "half").write_bytes(b"1")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_form(folder, record, fail)
    assert not is_made(folder, record)
    assert list(folder.parent.iterdir()) == []
    make_form(folder, record, write_two_bytes)
    assert is_made(folder, record)
    assert not is_made(folder, {"checkpoint_sha256": "b"})
    assert form_bytes(folder) == 2


def test_the_core_computes_what_the_checkpoint_does(run_folder: Path, dataset: Path) -> None:
    source = Source(run_folder / "best.pt", dataset, 2)
    images = torch.randint(0, 256, (1, source.size, source.size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = load_checkpoint(run_folder / "best.pt").network()(images)
        logits = source.core()(float_pixels(images))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)
    assert [tuple(pixels.shape) for pixels in source.pixels()] == [(1, 3, source.size, source.size)] * 2


def test_multiply_accumulates_are_counted() -> None:
    def tensor(name: str, *shape: int) -> TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, shape, np.zeros(shape, np.float32).tobytes(), raw=True)

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"], strides=[2, 2], pads=[1, 1, 1, 1], group=2),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "v"], ["y"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])
    graph = helper.make_graph(nodes, "g", [x], [y], [tensor("w", 6, 2, 3, 3), tensor("v", 5, 6)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    assert graph_macs(model) == 6 * 4 * 4 * 2 * 3 * 3 + 5 * 6


def test_int8_files_have_the_work_of_fp32_files(exported: Path) -> None:
    fp32, int8 = (count_model_macs(next(exported.glob(f"*-{precision}.onnx"))) for precision in ("fp32", "int8"))
    assert fp32 == int8 > 300e6  # 4.09e9 at 224 pixels, and about (64 / 224)² of it at 64


def test_the_widest_instruction_is_chosen() -> None:
    assert choose_instruction(["avx2", "avx_vnni", "avx512_vnni"]) == INSTRUCTIONS[0]
    assert choose_instruction(["avx2", "avx_vnni"]) == INSTRUCTIONS[1]
    assert choose_instruction(["asimddp"]) == INSTRUCTIONS[2]
    assert choose_instruction(["avx2"]) is None


def test_a_peak_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    with pytest.raises(FlowerError, match="no instruction for INT8"):
        compile_program(tmp_path, ["avx2"])
    with pytest.raises(FlowerError, match="no C compiler"):
        compile_program(tmp_path, ["avx_vnni"], compiler="no-such-compiler")


@needs_compiler
def test_the_peak_is_a_positive_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.measurements.engines.int8_peak.SECONDS", 0.01)
    assert compile_program(tmp_path, FEATURES).measure(1) > 0


@needs_compiler
def test_the_peak_program_repeats_the_instruction_and_uses_no_memory(tmp_path: Path) -> None:
    instruction = choose_instruction(FEATURES)
    assert instruction is not None
    assembly = tmp_path / "peak.s"
    subprocess.run(["cc", "-O3", "-S", *instruction.options, "-o", str(assembly), str(SOURCE)], check=True)
    lines = assembly.read_text().splitlines()
    places = [number for number, line in enumerate(lines) if instruction.words.partition(" ")[0] in line]
    assert len(places) == 12
    assert "(" not in "".join(line for line in lines[places[0] : places[-1]] if not line.startswith("#"))


def test_the_suite_compares_what_is_installed(
    exported: Path, run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contestants, "RUNS", 1)
    monkeypatch.setattr(contestants, "FORM_ENGINES", {"gone": fake_engine("not-there")})
    onnxruntime = MODEL_FILE_ENGINES["onnxruntime"]
    monkeypatch.setattr(contestants, "MODEL_FILE_ENGINES", {"onnxruntime": onnxruntime})
    models = [str(next(exported.glob(f"*-{precision}.onnx"))) for precision in ("fp32", "int8")]
    arguments = ["--models", *models, "--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset)]
    arguments += ["--rounds", "1", "--accuracy", "4", "--threads", "1", "--report", str(tmp_path / "report")]
    report = run_suite("engines", [*arguments, "--forms", str(tmp_path / "forms")])
    first, second = report.figures["engines"]
    assert (first["file"], second["file"]) == tuple(Path(model).name for model in models)
    assert report.figures["reference"] == second["file"]
    assert second["ratio"] == {"median": 1, "p25": 1, "p75": 1}
    (absent,) = report.figures["absent"]
    assert absent["form"] == "INT8, 12 photographs"
    text = report.markdown.read_text(encoding="utf-8")
    assert f"| {first['file']} | onnxruntime |" in text
    assert "not installed: not-there" in text
    assert "## The peak of the processor" in text


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "form"), FORMS, ids=[f"{engine.name}-{form.name}" for engine, form in FORMS])
def test_an_engine_answers_like_the_checkpoint(
    engine: Engine, form: Form, run_folder: Path, dataset: Path, tmp_path: Path
) -> None:
    missing = engine.missing(form)
    if missing:
        pytest.skip(missing)
    assert form.make is not None
    source = Source(run_folder / "best.pt", dataset, 8)
    form.make(source, tmp_path)
    answer = form.open(tmp_path, 1)
    network = load_checkpoint(run_folder / "best.pt").network()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (1, source.size, source.size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy().ravel()
    logits = answer(images).ravel()
    assert logits.shape == expected.shape
    assert np.abs(logits - expected).max() < 0.2 * np.abs(expected).max()
