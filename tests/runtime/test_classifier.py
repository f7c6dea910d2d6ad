"""`FlowerClassifier` and the model files it opens."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from runtime import DeviceError, FlowerClassifier, ModelError, ModelInfo, PhotoError
from runtime.inference.model_file import PREFIX
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model

RED = np.full((20, 30, 3), (250, 20, 10), dtype=np.uint8)
BLUE = np.full((20, 30, 3), (10, 20, 250), dtype=np.uint8)


@pytest.fixture
def classifier(tmp_path: Path) -> FlowerClassifier:
    return FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), device="cpu")


def test_the_most_probable_come_first(classifier: FlowerClassifier) -> None:
    predictions = classifier.predict(RED, top=2)
    assert [prediction.label for prediction in predictions] == ["red", "green"]
    logits = np.array([250, 20, 10]) / 25
    assert predictions[0].probability == pytest.approx(np.exp(10) / np.exp(logits).sum(), rel=1e-5)
    assert len(classifier.predict(RED, top=50)) == 3


def test_probabilities_sum_to_one(classifier: FlowerClassifier) -> None:
    assert classifier.probabilities(RED).sum() == pytest.approx(1)


def test_the_temperature_sharpens_or_softens(tmp_path: Path) -> None:
    predictions = [
        FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx", temperature=temperature)).predict(RED)[0].probability
        for temperature in (0.5, 10.0, 100.0)
    ]
    logits = np.array([250, 20, 10]) / 25 / 10
    assert predictions[1] == pytest.approx(np.exp(logits[0]) / np.exp(logits).sum(), rel=1e-5)
    assert predictions[0] > predictions[1] > predictions[2]


def test_many_photos_keep_their_order_and_errors_their_place(classifier: FlowerClassifier) -> None:
    answers = [answer for _, answer in classifier.predict_many([RED, b"no photo", BLUE], top=1)]
    assert isinstance(answers[1], PhotoError)
    assert [answers[0][0].label, answers[2][0].label] == ["red", "blue"]


def test_many_photos_are_not_one(classifier: FlowerClassifier) -> None:
    with pytest.raises(PhotoError, match="list"):
        next(classifier.predict_many("rose.jpg"))


def test_below_the_threshold_an_answer_is_uncertain(tmp_path: Path) -> None:
    probability = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx")).predict(RED).best.probability
    for threshold, uncertain in ((0.0, False), (probability - 1e-6, False), (probability + 1e-6, True)):
        model = save_tiny_model(tmp_path / "tiny.onnx", threshold=threshold)
        assert FlowerClassifier(model).predict(RED).uncertain is uncertain


def test_many_photos_answer_as_each_alone(classifier: FlowerClassifier) -> None:
    photos = [np.roll(RED, shift, axis=2) for shift in range(3)] * 15
    answers = [answer for _, answer in classifier.predict_many(photos)]
    assert answers == [classifier.predict(photo) for photo in photos]


def test_one_classifier_serves_many_threads(classifier: FlowerClassifier) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda photo: classifier.predict(photo)[0].label, [RED, BLUE] * 20))
    assert answers == ["red", "blue"] * 20


def test_the_model_inside_names_what_it_knows() -> None:
    classifier = FlowerClassifier(device="cpu")
    assert len(classifier.classes) == 102
    assert (classifier.info.precision, classifier.device) == ("int8", "cpu")
    assert classifier.info.calibration["images"] == 1020


EXTERNAL = b"\n\x08location\x12\x06w.data"


def external(entry: bytes) -> bytes:
    """A model whose weights are said to lie in another file; ``entry`` says so, of the length of `EXTERNAL`."""
    model = tiny_model()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    content = model.SerializeToString()
    assert content.count(EXTERNAL) == 1
    assert len(entry) == len(EXTERNAL)
    return content.replace(EXTERNAL, entry)


def foreign(path: Path) -> bytes:
    model = tiny_model()
    del model.metadata_props[:]
    return model.SerializeToString()


def with_metadata(**values: object) -> bytes:
    model = tiny_model()
    metadata = INFO.to_metadata() | {PREFIX + key: json.dumps(value) for key, value in values.items()}
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: b"", "empty"),
        (lambda path: b"no model at all", "not a model"),
        (lambda path: tiny_model().SerializeToString()[:-200], "not a model"),
        (lambda path: external(EXTERNAL), "weights in other files"),
        (lambda path: external(b"\x12\x06w.data\n\x08location"), "weights in other files"),
        (lambda path: external(b"\n\x88\0location\x12\x05.data"), "weights in other files"),
        (lambda path: tiny_model(batch=4).SerializeToString(), "does not fit"),
        (foreign, "not made by this toolkit"),
        (lambda path: tiny_model(size=8).SerializeToString(), "does not fit"),
        (lambda path: tiny_model(classes=2).SerializeToString(), "does not fit"),
        (lambda path: with_metadata(format=99), "format"),
        (lambda path: with_metadata(classes=[]), "class names"),
        (lambda path: with_metadata(classes=[1, 2, 3]), "class names"),
        (lambda path: with_metadata(preprocessing=None), "preprocessing"),
        (lambda path: with_metadata(preprocessing={"size": -1}), "size"),
        (lambda path: with_metadata(temperature=0), "temperature"),
        (lambda path: with_metadata(threshold=1.5), "threshold"),
    ],
    ids=range(17),
)
def test_files_that_are_no_model_of_ours_are_refused_in_words(make, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "model.onnx"
    path.write_bytes(make(path))
    with pytest.raises(ModelError, match=words) as caught:
        FlowerClassifier(path, device="cpu")
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_no_number_is_not_given(tmp_path: Path) -> None:
    model = tiny_model()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.full((3, 3), np.nan, np.float32), "weights"))
    (tmp_path / "nan.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not finite"):
        FlowerClassifier(tmp_path / "nan.onnx", device="cpu").predict(RED)


@pytest.mark.parametrize("threads", [0, -1, 2.5, "many"])
def test_threads_that_make_no_sense(threads: object, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="threads"):
        FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), threads=threads)  # type: ignore[arg-type]


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such model file"):
        FlowerClassifier(tmp_path / "nowhere.onnx")


def test_metadata_survives_a_round_through_a_file(tmp_path: Path) -> None:
    changes = {
        "evaluation": {"test": {"images": 3, "top1": 99.5}},
        "versions": {"numpy": "2"},
        "classes": ("á", "b", "c"),
    }
    info = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx", **changes)).info
    assert (info.evaluation, info.versions, info.classes) == tuple(changes.values())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_file_works_or_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], place: int, byte: int
) -> None:
    content = bytearray(tiny_model().SerializeToString())
    content[place % len(content)] = byte
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        FlowerClassifier(path, device="cpu").predict(RED)
    assert capfd.readouterr().out == ""


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from(list(INFO.to_metadata())), st.text() | st.sampled_from(["[]", "{}", "null", "1"]))
)
def test_any_metadata_gives_an_info_or_a_model_error(changes: dict[str, str]) -> None:
    with contextlib.suppress(ModelError):
        assert ModelInfo.from_metadata(INFO.to_metadata() | changes).classes
