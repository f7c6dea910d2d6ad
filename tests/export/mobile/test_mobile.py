"""The mobile bundle: what is in the folder, that it is enough, and that a bad one is never left behind."""

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchmarks.suites.mobile
import export.mobile.bundle
from benchmarks.command_line import main as benchmark
from export.command_line.main import main
from export.graph.ort_format import CONFIG
from export.mobile.bundle import MANIFEST
from export.mobile.bundle_check import LABELS, BundleAnswer, BundleModel
from finetune.data.dataset import read_split
from runtime import FlowerClassifier
from runtime.files.atomic import atomic_folder
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.photos.open_photo import open_photo
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model

FILES = {"flowers.ort", "flowers-16.ort", LABELS, CONFIG, "README.md", "NOTICE.md", MANIFEST}
NO_DATA = ("--evaluate", "none")


@pytest.fixture
def model(tmp_path: Path, dataset: Path) -> Path:
    """A tiny model that knows as many classes as it has colours, under the names of the drawn data set."""
    return save_tiny_model(tmp_path / "tiny.onnx", classes=read_split(dataset, "test").classes[:3], threshold=0.5)


def bundle(model: Path, output: Path, *arguments: str) -> int:
    return main(
        ["--target", "mobile", "--quantize", "none", "--model", str(model), "--output", str(output), *arguments]
    )


def test_a_bundle_is_complete_and_says_the_truth(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "app"
    assert bundle(model, folder, *NO_DATA) == 0
    assert "not checked on photographs (--data)" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    manifest = json.loads((folder / MANIFEST).read_text())
    assert set(manifest["files"]) == FILES - {MANIFEST}
    for name, stated in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (stated["bytes"], stated["sha256"])
    assert manifest["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (manifest["classes"], manifest["temperature"], manifest["threshold"]) == (3, 1.0, 0.5)
    takes = {name: manifest["files"][name]["inputs"] for name in ("flowers.ort", "flowers-16.ort")}
    assert takes["flowers.ort"] == [{"name": "photo", "type": "uint8", "shape": ["height", "width", 3]}]
    assert takes["flowers-16.ort"] == [{"name": "photo", "type": "uint8", "shape": [1, 16, 16, 3]}]
    gives = {
        output["name"]: (output["type"], output["shape"]) for output in manifest["files"]["flowers.ort"]["outputs"]
    }
    assert gives == {
        "names": ("string", [3]),
        "probabilities": ("float", [3]),
        "indices": ("int64", [3]),
        "uncertain": ("uint8", [1]),
    }
    assert manifest["check"]["flowers.ort"]["photographs"] is None


def test_a_bundle_is_enough_by_itself(model: Path, tmp_path: Path) -> None:
    assert bundle(model, tmp_path / "app", *NO_DATA) == 0
    expected = FlowerClassifier(model, device="cpu").predict(np.full((40, 30, 3), (250, 20, 20), dtype=np.uint8))
    moved = (tmp_path / "app").rename(tmp_path / "elsewhere")
    model.unlink()
    answer = BundleModel(moved / "flowers.ort")(np.full((40, 30, 3), (250, 20, 20), dtype=np.uint8))
    assert answer.names == [p.label for p in expected]
    assert answer.names[0] == (moved / LABELS).read_text().splitlines()[0]
    assert answer.probabilities == pytest.approx([p.probability for p in expected], abs=1e-5)
    assert not answer.uncertain


def test_the_readme_speaks_of_this_bundle(model: Path, tmp_path: Path) -> None:
    assert bundle(model, tmp_path / "app", *NO_DATA) == 0
    manifest = json.loads((tmp_path / "app" / MANIFEST).read_text())
    readme = (tmp_path / "app" / "README.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \| [^|]+ \|$", readme, re.MULTILINE)) >= FILES - {"README.md"}
    assert "not checked on photographs" in readme
    for file in ("flowers.ort", "flowers-16.ort"):
        for side in ("inputs", "outputs"):
            for value in manifest["files"][file][side]:
                assert f'"{value["name"]}"' in readme or f"`{value['name']}`" in readme
    # Every output that the snippets ask for is one.
    asked = set(re.findall(r'result(?:\.get\(|\[)"(\w+)"', readme))
    assert asked == {"names", "probabilities", "uncertain"}
    assert asked <= {value["name"] for value in manifest["files"]["flowers.ort"]["outputs"]}


def test_an_earlier_bundle_is_replaced_and_nothing_else_is(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    assert bundle(model, folder, *NO_DATA) == 0
    before = (folder / MANIFEST).read_bytes()
    save_tiny_model(model, threshold=0.25)
    assert bundle(model, folder, *NO_DATA) == 0
    assert (folder / MANIFEST).read_bytes() != before
    (folder / "mine.txt").write_text("mine")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert bundle(model, folder, *NO_DATA) == 1
    assert "holds other files" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    assert bundle(model, model, *NO_DATA) == 1
    assert "is a file" in capsys.readouterr().err


def test_a_bundle_that_answers_otherwise_is_not_left_behind(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = replace(INFO, classes=read_split(dataset, "test").classes)
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_model(info, classes=4).SerializeToString())
    arguments = ("--data", str(dataset))
    ask = BundleModel.__call__
    monkeypatch.setattr(BundleModel, "__call__", lambda self, photo: _upside_down(ask(self, photo)))
    assert bundle(model, tmp_path / "app", *arguments) == 1
    error = capsys.readouterr().err
    assert "12 photographs, less than 99%" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    monkeypatch.undo()
    assert bundle(model, tmp_path / "app", *arguments) == 0
    checked = json.loads((tmp_path / "app" / MANIFEST).read_text())["check"]["flowers.ort"]
    assert (checked["images"], checked["same_top1_as_flower_infer"]) == (12, 100)


def _upside_down(answer: BundleAnswer) -> BundleAnswer:
    """The least probable of the answer first."""
    turned = answer.indices[::-1]
    return replace(answer, names=answer.names[::-1], indices=turned, probabilities=answer.probabilities[::-1])


def test_names_that_are_not_those_of_the_list_are_noticed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export.mobile.bundle, "_lines", lambda info: info.classes[::-1])
    assert bundle(model, tmp_path / "app", *NO_DATA) == 1
    assert "its names are not those of labels.txt" in capsys.readouterr().err
    assert not (tmp_path / "app").exists()


def test_channels_in_the_wrong_order_are_noticed_without_photographs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = BundleModel.__call__
    monkeypatch.setattr(BundleModel, "__call__", lambda self, photo: ask(self, photo[..., ::-1].copy()))
    assert bundle(model, tmp_path / "app", *NO_DATA) == 1
    assert "drawn pictures, less than 99%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "{model}", "--checkpoint", "best.pt"], "give one of them"),
        (["--model", "{model}"], "is fp32, not int8; give --quantize none"),
        (["--model", "{model}", "--quantize", "none", "--search"], "--model is finished"),
        (["--model", "{model}", "--quantize", "none", "--data", "{data}"], "knows 3 classes"),
        (["--model", "{model}", "--quantize", "none", "--data", "nowhere"], "nowhere"),
        (["--model", "nowhere.onnx"], "no such model file"),
        (["--model", "{model}", "--target", "cuda"], "--model goes with --target mobile"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: list[str], words: str, model: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [text.format(model=model, data=dataset) for text in arguments]
    assert main(["--target", "mobile", "--output", str(tmp_path / "app"), *given]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "app").exists()


def test_an_ort_file_is_no_model_to_start_from(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle(model, tmp_path / "app", *NO_DATA) == 0
    assert bundle(tmp_path / "app" / "flowers.ort", tmp_path / "other", *NO_DATA) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_is_replaced_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "folder"
    for content in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / "file").write_text(content)
        assert (target / "file").read_text() == content
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        (folder / "gone").rename(folder / "file")
    assert (target / "file").read_text() == "new"
    monkeypatch.chdir(tmp_path)
    with atomic_folder("relative") as folder:
        (folder / "file").write_text("here")
    assert (tmp_path / "relative" / "file").read_text() == "here"
    assert target.stat().st_mode & 0o777 == 0o777 & ~_umask()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "relative"}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_benchmark_reports_what_was_measured(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.suites.mobile, "PHOTOS", {"a small photo": (50, 70)})
    info = replace(INFO, classes=read_split(dataset, "test").classes)
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_model(info, classes=4).SerializeToString())
    given = ["mobile", "--model", str(model), "--data", str(dataset), "--rounds", "2", "--report", str(tmp_path)]
    assert benchmark(given) == 0
    figures = json.loads((tmp_path / "mobile.json").read_text())
    assert {row["file"] for row in figures["files"]} == FILES
    assert [row["agreement"] for row in figures["checks"]] == [1, 1]
    runtime = "runtime, tiny.onnx"
    assert [row["who"] for row in figures["latency"]] == [runtime, "flowers-16.ort", runtime, "flowers.ort"]
    text = (tmp_path / "mobile.md").read_text()
    assert "{{" not in text
    for row in figures["latency"]:
        assert f"| {row['picture']} | {row['who']} | {row['p50_ms']:.1f} |" in text


@pytest.mark.real
def test_the_model_inside_as_a_bundle(real_data: Path, tmp_path: Path) -> None:
    """INT8 throughout, and flower-infer's names on photographs."""
    arguments = ["--target", "mobile", "--output", str(tmp_path / "app"), "--data", str(real_data)]
    assert main([*arguments, "--evaluation-images", "12"]) == 0
    manifest = json.loads((tmp_path / "app" / MANIFEST).read_text())
    assert manifest["check"]["flowers.ort"]["same_top1_as_flower_infer"] == 100
    operators = set(re.findall(r"[;,]([A-Z]\w+)", (tmp_path / "app" / CONFIG).read_text()))
    assert {"QLinearConv", "QLinearAdd", "QGemm", "Resize"} <= operators
    assert not operators & {"Conv", "FusedConv", "NhwcConv", "Gemm", "MatMul", "QuantizeLinear", "DequantizeLinear"}
    assert max(manifest["files"][name]["bytes"] for name in manifest["files"]) < DEFAULT_MODEL.stat().st_size
    model, classifier = BundleModel(tmp_path / "app" / "flowers.ort"), FlowerClassifier(device="cpu")
    for path in read_split(real_data, "test").head(5).paths:
        answer, expected = model(np.asarray(open_photo(path))), classifier.predict(path)
        assert answer.names[0] == expected.best.label
        assert answer.probabilities == pytest.approx([p.probability for p in expected], abs=0.05)
