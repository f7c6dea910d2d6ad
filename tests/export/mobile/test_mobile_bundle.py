"""The mobile bundle: its files, that they are enough, and that a wrong bundle is never left behind."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.command_line import main
from export.errors import ExportError
from export.graph.ort_format import CONFIG
from export.mobile import bundle, bundle_check
from export.mobile.bundle import ANY_SIZE_FILE, MANIFEST, OVERFLOW_NOTE, build_mobile_bundle
from export.mobile.bundle_check import LABELS, BundleAnswer, BundleModel
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime import FlowerClassifier, FlowerError, ModelError
from runtime.inference.shipped_models import DEFAULT_MODEL
from runtime.photos.open_photo import open_photo
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model

FIXED_SIZE_FILE = "flowers-16.ort"
FILES = {ANY_SIZE_FILE, FIXED_SIZE_FILE, LABELS, CONFIG, "README.md", "NOTICE.md", MANIFEST}
RED_PHOTO = np.full((40, 30, 3), (250, 20, 20), dtype=np.uint8)


def test_command_makes_a_bundle_and_reports_the_missing_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx")
    assert main(["mobile", "--model", str(model), "--output", str(tmp_path / "app"), "--evaluate", "none"]) == 0
    assert "not checked on photographs (--data)" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.onnx", "app"}


def test_manifest_describes_all_files(app: Path) -> None:
    folder = app / "app"
    assert {path.name for path in folder.iterdir()} == FILES
    manifest = json.loads((folder / MANIFEST).read_text())
    assert set(manifest["files"]) == FILES - {MANIFEST}
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert manifest["model"]["sha256"] == hashlib.sha256((app / "tiny.onnx").read_bytes()).hexdigest()
    assert (manifest["classes"], manifest["temperature"], manifest["threshold"]) == (3, 1.0, 0.5)
    assert (manifest["familiarity_threshold"], manifest["familiarity"]) == (0.25, {"scale": 1.0})
    assert manifest["strict"] == {"probability": 0.75, "familiarity": 0.5}
    assert manifest["verdicts"] == ["name", "between", "unfamiliar"]
    check = manifest["check"][ANY_SIZE_FILE]
    assert check["photographs"] is None
    assert check["worst_familiarity_difference"] < 0.01


def test_manifest_has_the_inputs_and_outputs(app: Path) -> None:
    files = json.loads((app / "app" / MANIFEST).read_text())["files"]
    assert files[ANY_SIZE_FILE]["inputs"] == [{"name": "photo", "type": "uint8", "shape": ["height", "width", 3]}]
    assert files[FIXED_SIZE_FILE]["inputs"] == [{"name": "photo", "type": "uint8", "shape": [1, 16, 16, 3]}]
    outputs = {output["name"]: (output["type"], output["shape"]) for output in files[ANY_SIZE_FILE]["outputs"]}
    assert outputs == {
        "names": ("string", [3]),
        "probabilities": ("float", [3]),
        "indices": ("int64", [3]),
        "uncertain": ("uint8", [1]),
        "verdict": ("uint8", [1]),
        "familiarity": ("float", [1]),
    }


def test_bundle_needs_no_other_file(app: Path) -> None:
    expected = FlowerClassifier(app / "tiny.onnx", device="cpu").predict(RED_PHOTO)
    answer = BundleModel(app / "app" / ANY_SIZE_FILE)(RED_PHOTO)
    assert answer.names == [prediction.label for prediction in expected]
    assert answer.names[0] == (app / "app" / LABELS).read_text().splitlines()[0]
    assert answer.probabilities == pytest.approx([prediction.probability for prediction in expected], abs=1e-5)
    assert not answer.uncertain
    assert answer.verdict == "name"
    assert answer.familiarity == pytest.approx(expected.familiarity)


@pytest.mark.parametrize("name", [ANY_SIZE_FILE, FIXED_SIZE_FILE])
def test_a_model_of_a_bundle_is_refused_for_what_it_is(name: str, app: Path) -> None:
    with pytest.raises(ModelError, match=r"the model of a phone bundle.* give the \.onnx file that it was made from"):
        FlowerClassifier(app / "app" / name)
    assert "Model file: tiny.onnx" in (app / "app" / "NOTICE.md").read_text()


def test_bundle_of_a_file_without_familiarity(tmp_path: Path) -> None:
    build_mobile_bundle(save_tiny_model(tmp_path / "tiny.onnx", threshold=1.0), tmp_path / "app", None)
    answer = BundleModel(tmp_path / "app" / ANY_SIZE_FILE)(RED_PHOTO)
    assert (answer.verdict, answer.uncertain, answer.familiarity) == ("between", True, None)
    readme = (tmp_path / "app" / "README.md").read_text()
    assert "output `familiarity` |" not in readme
    assert "Not sure: " in readme
    assert "Between" not in readme


def test_readme_describes_this_bundle(app: Path) -> None:
    files = json.loads((app / "app" / MANIFEST).read_text())["files"]
    readme = (app / "app" / "README.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \| [^|]+ \|$", readme, re.MULTILINE)) >= FILES - {"README.md"}
    assert "not checked on photographs" in readme
    assert "$" not in readme.replace("$ ./build.sh", "").replace("$0", "")
    for file in (ANY_SIZE_FILE, FIXED_SIZE_FILE):
        for side in ("inputs", "outputs"):
            for value in files[file][side]:
                assert f'"{value["name"]}"' in readme or f"`{value['name']}`" in readme
    assert "2: `familiarity` is below 0.25; 1: otherwise, the first probability is below 0.5; 0: neither" in readme
    assert readme.count('"Between " + ') == 3  # Kotlin, Swift and JavaScript
    assert readme.count('"Not like any flower it knows"') == 4  # and in prose
    # The model has every output that the snippets use.
    used = set(re.findall(r'result(?:\.get\(|\[)"(\w+)"', readme)) | set(re.findall(r"outputs\.(\w+)", readme))
    assert used == {"names", "indices", "probabilities", "verdict"}
    assert used <= {value["name"] for value in files[ANY_SIZE_FILE]["outputs"]}


def test_bundle_replaces_a_bundle_and_no_other_folder(tmp_path: Path) -> None:
    model, folder = save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "app"
    folder.mkdir()
    build_mobile_bundle(model, folder, None)
    before = (folder / MANIFEST).read_bytes()
    save_tiny_model(model, threshold=0.25)
    build_mobile_bundle(model, folder, None)
    assert (folder / MANIFEST).read_bytes() != before
    (folder / "other.txt").write_text("another file")
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FlowerError):
        build_mobile_bundle(model, folder, None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    with pytest.raises(FlowerError):
        build_mobile_bundle(model, model, None)


def test_bundle_with_other_answers_is_not_written(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = read_split(dataset, "test")
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_model(replace(INFO, classes=split.classes), classes=4).SerializeToString())
    classify = BundleModel.__call__
    monkeypatch.setattr(BundleModel, "__call__", lambda self, photo: _reverse(classify(self, photo)))
    with pytest.raises(ExportError, match="12 photographs, less than 99%"):
        build_mobile_bundle(model, tmp_path / "app", split)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    monkeypatch.undo()
    build_mobile_bundle(model, tmp_path / "app", split)
    check = json.loads((tmp_path / "app" / MANIFEST).read_text())["check"][ANY_SIZE_FILE]
    assert (check["images"], check["same_top1_as_flower_infer"]) == (12, 100)


def test_bundle_with_other_verdicts_is_not_written(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = read_split(dataset, "test")
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_model(replace(INFO, classes=split.classes), classes=4, familiarity=True).SerializeToString())
    classify = BundleModel.__call__
    monkeypatch.setattr(
        BundleModel, "__call__", lambda self, photo: replace(classify(self, photo), verdict="unfamiliar")
    )
    with pytest.raises(ExportError, match=r"the same verdict as flower-infer on 0\.00% of 12 photographs"):
        build_mobile_bundle(model, tmp_path / "app", split)
    assert not (tmp_path / "app").exists()


def _reverse(answer: BundleAnswer) -> BundleAnswer:
    """Put the least probable class of an answer first."""
    return replace(
        answer, names=answer.names[::-1], probabilities=answer.probabilities[::-1], indices=answer.indices[::-1]
    )


@pytest.mark.parametrize("overflow", [True, False])
def test_overflow_of_int8_is_noted(overflow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bundle, bundle_check):
        monkeypatch.setattr(module, "int8_products_overflow", lambda: overflow)
    lines: list[str] = []
    made = build_mobile_bundle(save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "app", None, lines.append)
    assert [check.agreement for check in made.checks.values()] == [1, 1]
    assert any(OVERFLOW_NOTE in line for line in lines) == overflow


def test_wrong_order_of_the_labels_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "labels_text", lambda info: "blue\ngreen\nred\n")
    with pytest.raises(ExportError, match=r"its names are not those of labels\.txt"):
        build_mobile_bundle(save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "app", None)
    assert not (tmp_path / "app").exists()


def test_wrong_order_of_the_channels_is_detected_without_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify = BundleModel.__call__
    monkeypatch.setattr(BundleModel, "__call__", lambda self, photo: classify(self, photo[..., ::-1].copy()))
    with pytest.raises(ExportError, match="drawn pictures, less than 99%"):
        build_mobile_bundle(save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "app", None)


@pytest.mark.parametrize(("swapped", "accepted"), [(101, True), (200, False)])
def test_of_few_photographs_one_may_lie_between_two_names(
    swapped: int, accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One photograph gets its second name first: one that is nearly as much red as green, or a plainly red one."""
    colours = [(200, 20, 20), (20, 200, 20), (101, 100, 20)]
    paths = tuple(tmp_path / f"{index}.png" for index in range(len(colours)))
    for path, colour in zip(paths, colours, strict=True):
        Image.new("RGB", (40, 30), colour).save(path)
    split = Split("test", paths, np.array([0, 1, 0]), INFO.classes, len(paths))
    classify = BundleModel.__call__

    def swap(self: BundleModel, photo: np.ndarray) -> BundleAnswer:
        answer = classify(self, photo)
        if photo.reshape(-1, 3)[0, 0] != swapped:
            return answer
        order = [1, 0, 2]
        names = [answer.names[index] for index in order]
        return replace(answer, names=names, indices=answer.indices[order], probabilities=answer.probabilities[order])

    monkeypatch.setattr(BundleModel, "__call__", swap)
    model = save_tiny_model(tmp_path / "tiny.onnx")
    if accepted:
        checks = build_mobile_bundle(model, tmp_path / "app", split).checks
        assert [check.agreement for check in checks.values()] == pytest.approx([2 / 3, 2 / 3])
    else:
        with pytest.raises(ExportError, match=r"the same top-1 as flower-infer on 66\.67%"):
            build_mobile_bundle(model, tmp_path / "app", split)


def test_class_name_of_two_lines_is_rejected(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", classes=("red", "dark\ngreen", "blue"))
    with pytest.raises(FlowerError, match="not exactly one line"):
        build_mobile_bundle(model, tmp_path / "app", None)


def test_photographs_of_other_classes_are_rejected(dataset: Path, tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx")
    with pytest.raises(FlowerError, match="has 3 classes"):
        build_mobile_bundle(model, tmp_path / "app", read_split(dataset, "test"))
    assert not (tmp_path / "app").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "{model}", "--data", "nowhere"], "nowhere"),
        (["--model", "nowhere.onnx"], "no such model file"),
    ],
)
def test_command_reports_a_missing_input_in_one_line(
    arguments: list[str], message: str, app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [text.format(model=app / "tiny.onnx") for text in arguments]
    assert main(["mobile", "--output", str(tmp_path / "app"), *given]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "app").exists()


def test_ort_file_cannot_be_bundled_again(app: Path, tmp_path: Path) -> None:
    with pytest.raises(FlowerError):
        build_mobile_bundle(app / "app" / ANY_SIZE_FILE, tmp_path / "other", None)


@pytest.mark.real
def test_bundle_of_the_default_model_is_int8_and_answers_like_flower_infer(real_data: Path, tmp_path: Path) -> None:
    split = read_split(real_data, "test")
    made = build_mobile_bundle(DEFAULT_MODEL, tmp_path / "app", split.head(12))
    assert made.checks[ANY_SIZE_FILE].agreement == 1
    operators = set(re.findall(r"[;,]([A-Z]\w+)", (made.folder / CONFIG).read_text()))
    assert {"QLinearConv", "QLinearAdd", "QGemm", "Resize"} <= operators
    # MatMul and DequantizeLinear are those of the familiarity.
    assert not operators & {"Conv", "FusedConv", "NhwcConv", "Gemm", "QuantizeLinear"}
    # The directions of the familiarity are float32 in ORT format, and float16 in the model file.
    assert max(made.sizes.values()) < 1.05 * DEFAULT_MODEL.stat().st_size
    model, classifier = BundleModel(made.folder / ANY_SIZE_FILE), FlowerClassifier(device="cpu")
    for path in split.head(5).paths:
        answer, expected = model(np.asarray(open_photo(path))), classifier.predict(path)
        assert answer.names[0] == expected.best.label
        assert answer.probabilities == pytest.approx([entry.probability for entry in expected], abs=0.05)
