"""`FlowerClassifier` and the model files it opens."""

import contextlib
import io
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from runtime import Answer, DeviceError, FlowerClassifier, FlowerError, ModelError, ModelInfo, PhotoError
from runtime.errors import OutOfMemoryError
from runtime.inference.model_file import PREFIX, Cuts
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model

RED = np.full((20, 30, 3), (250, 20, 10), dtype=np.uint8)
BLUE = np.full((20, 30, 3), (10, 20, 250), dtype=np.uint8)


@pytest.fixture
def classifier(tmp_path: Path) -> FlowerClassifier:
    return FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), device="cpu")


def test_answers_are_sorted_by_probability(classifier: FlowerClassifier) -> None:
    predictions = classifier.predict(RED, top=2)
    assert [prediction.label for prediction in predictions] == ["red", "green"]
    logits = np.array([250, 20, 10]) / 25
    assert predictions[0].probability == pytest.approx(np.exp(10) / np.exp(logits).sum(), rel=1e-5)
    assert len(classifier.predict(RED, top=50)) == 3


def test_probabilities_sum_to_one(classifier: FlowerClassifier) -> None:
    assert classifier.probabilities(RED).sum() == pytest.approx(1)


def test_temperature_changes_probabilities(tmp_path: Path) -> None:
    predictions = [
        FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx", temperature=temperature)).predict(RED)[0].probability
        for temperature in (0.5, 10.0, 100.0)
    ]
    logits = np.array([250, 20, 10]) / 25 / 10
    assert predictions[1] == pytest.approx(np.exp(logits[0]) / np.exp(logits).sum(), rel=1e-5)
    assert predictions[0] > predictions[1] > predictions[2]


def test_predict_many_keeps_the_order_of_photos_and_errors(classifier: FlowerClassifier) -> None:
    first, second, third = (answer for _, answer in classifier.predict_many([RED, b"no photo", BLUE], top=1))
    assert isinstance(first, Answer)
    assert isinstance(second, PhotoError)
    assert isinstance(third, Answer)
    assert [first.best.label, third.best.label] == ["red", "blue"]


@pytest.mark.parametrize("photos", ["rose.jpg", b"", bytearray(), Path("rose.jpg"), io.BytesIO(), RED, 3])
def test_wrong_argument_is_an_error_of_the_call(classifier: FlowerClassifier, photos: Any) -> None:
    with pytest.raises(PhotoError, match="several photos"):
        classifier.predict_many(photos)


@pytest.mark.parametrize("top", [0, -1, 1.5, True])
def test_number_of_classes_must_be_at_least_one(classifier: FlowerClassifier, top: Any) -> None:
    with pytest.raises(FlowerError, match="top must be"):
        classifier.predict_many([], top=top)
    with pytest.raises(FlowerError, match="top must be"):
        classifier.predict(RED, top=top)
    assert len(classifier.predict(RED, top=np.int64(2))) == 2  # type: ignore[arg-type]


def test_first_answer_waits_for_the_first_photo_only(classifier: FlowerClassifier) -> None:
    begun = itertools.count()
    answers = classifier.predict_many(RED for _ in iter(lambda: next(begun), 100))
    next(answers)
    assert next(begun) == 1
    assert len(list(answers)) == 98


def test_too_little_memory_for_a_thread_is_said(classifier: FlowerClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", fail)
    with pytest.raises(FlowerError, match="not enough memory"):
        next(classifier.predict_many([RED]))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("... AllocateRawInternal failed")]
)
def test_too_little_memory_does_not_blame_the_model(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("onnxruntime.InferenceSession", fail)
    with pytest.raises(OutOfMemoryError, match="not enough memory"):
        FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize("top", [0, -1, True, 1.5])
def test_an_answer_has_at_least_one_class(classifier: FlowerClassifier, top: int) -> None:
    with pytest.raises(FlowerError, match="top must be"):
        classifier.predict(RED, top=top)
    with pytest.raises(FlowerError, match="top must be"):
        classifier.predict_many([RED], top=top)


def test_answer_below_the_threshold_is_uncertain(tmp_path: Path) -> None:
    probability = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx")).predict(RED).best.probability
    for threshold, uncertain in ((0.0, False), (probability - 1e-6, False), (probability + 1e-6, True)):
        model = save_tiny_model(tmp_path / "tiny.onnx", threshold=threshold)
        assert FlowerClassifier(model).predict(RED).uncertain is uncertain


@pytest.mark.parametrize(
    ("threshold", "familiarity_threshold", "verdict"),
    [(0.0, 0.0, "name"), (1.0, 0.0, "between"), (0.0, 0.99, "unfamiliar"), (1.0, 0.99, "unfamiliar")],
)
def test_verdicts(tmp_path: Path, threshold: float, familiarity_threshold: float, verdict: str) -> None:
    model = save_tiny_model(
        tmp_path / "tiny.onnx",
        with_familiarity=True,
        threshold=threshold,
        familiarity_threshold=familiarity_threshold,
        temperature=5.0,
    )
    answer = FlowerClassifier(model).predict(RED, top=1)
    assert answer.verdict == verdict
    assert answer.uncertain is (verdict != "name")
    assert answer.familiarity == pytest.approx(250 / 255)
    assert (len(answer), answer.second and answer.second.label) == (1, "green")


def test_file_without_familiarity_says_what_it_can(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", threshold=1.0, familiarity_threshold=0.99, temperature=5.0)
    classifier = FlowerClassifier(model)
    answer = classifier.predict(RED)
    assert (answer.verdict, answer.familiarity, classifier.has_familiarity) == ("between", None, False)


def test_cuts_of_the_caller_and_strict_ones(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, strict=Cuts(0.5, 0.99), temperature=5.0)
    assert FlowerClassifier(model).predict(RED).verdict == "name"
    assert FlowerClassifier(model, strict=True).predict(RED).verdict == "unfamiliar"
    assert FlowerClassifier(model, min_probability=1.0).predict(RED).verdict == "between"
    with pytest.raises(FlowerError, match="0 to 1"):
        FlowerClassifier(model, min_probability=1.5)
    with pytest.raises(FlowerError, match="0 to 1"):
        FlowerClassifier(model, min_probability="a")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="path of a file"):
        FlowerClassifier(3)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no strict cuts"):
        FlowerClassifier(save_tiny_model(tmp_path / "old.onnx"), strict=True)


def test_only_some_names_can_occur(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True)
    everything = FlowerClassifier(model).probabilities(RED)
    classifier = FlowerClassifier(model, only=["Blue", "green"])
    answer = classifier.predict(RED)
    assert [prediction.label for prediction in answer] == ["green", "blue"]
    assert sum(prediction.probability for prediction in answer) == pytest.approx(1)
    assert answer[0].probability / answer[1].probability == pytest.approx(everything[1] / everything[2], rel=1e-4)
    alone = FlowerClassifier(model, only=["blue"]).predict(RED)
    assert (alone.best.label, alone.best.probability, alone.second) == ("blue", 1.0, None)
    # Red alone has nearly all the probability, so a red photo shows none of the names that can occur.
    assert FlowerClassifier(model).predict(RED).verdict == "name"
    assert answer.verdict == "unfamiliar"
    warm = save_tiny_model(tmp_path / "warm.onnx", with_familiarity=True, temperature=10.0)
    assert FlowerClassifier(warm, only=["blue", "green"]).predict(RED).verdict == "name"
    for names, message in ((["bleu"], "do you mean 'blue'"), ([], "empty"), ("blue", "list")):
        with pytest.raises(FlowerError, match=message):
            FlowerClassifier(model, only=names)


def test_predict_many_answers_like_predict(classifier: FlowerClassifier) -> None:
    photos = [np.roll(RED, shift, axis=2) for shift in range(3)] * 15
    answers = [answer for _, answer in classifier.predict_many(photos)]
    assert answers == [classifier.predict(photo) for photo in photos]


def test_classifier_can_be_shared_by_threads(classifier: FlowerClassifier) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda photo: classifier.predict(photo)[0].label, [RED, BLUE] * 20))
    assert answers == ["red", "blue"] * 20


def test_the_model_inside_has_oxfords_classes() -> None:
    classifier = FlowerClassifier(device="cpu")
    assert len(classifier.classes) == 102
    assert (classifier.info.precision, classifier.device) == ("int8", "cpu")
    assert classifier.info.calibration["images"] == 1020


EXTERNAL = b"\n\x08location\x12\x06w.data"


def with_external_data(entry: bytes) -> bytes:
    """Return a model that refers to weights in another file by ``entry``, which is as long as `EXTERNAL`."""
    model = tiny_model()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    content = model.SerializeToString()
    assert content.count(EXTERNAL) == 1
    assert len(entry) == len(EXTERNAL)
    return bytes(content.replace(EXTERNAL, entry))


def without_metadata(path: Path) -> bytes:
    model = tiny_model()
    del model.metadata_props[:]
    return bytes(model.SerializeToString())


def with_metadata(**values: object) -> bytes:
    model = tiny_model()
    metadata = INFO.to_metadata() | {PREFIX + key: json.dumps(value) for key, value in values.items()}
    helper.set_model_props(model, metadata)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: b"", "empty"),
        (lambda path: b"no model at all", "not a model"),
        (lambda path: tiny_model().SerializeToString()[:-200], "not a model"),
        (lambda path: with_external_data(EXTERNAL), "weights in other files"),
        (lambda path: with_external_data(b"\x12\x06w.data\n\x08location"), "weights in other files"),
        (lambda path: with_external_data(b"\n\x88\0location\x12\x05.data"), "weights in other files"),
        (lambda path: tiny_model(batch=4).SerializeToString(), "does not match"),
        (without_metadata, "not made by this toolkit"),
        (lambda path: tiny_model(size=8).SerializeToString(), "does not match"),
        (lambda path: tiny_model(classes=2).SerializeToString(), "does not match"),
        (lambda path: with_metadata(format=99), "format"),
        (lambda path: with_metadata(familiarity_threshold=2), "threshold"),
        (lambda path: with_metadata(threshold=True), "threshold"),
        (lambda path: with_metadata(strict={"probability": 0.9}), "threshold"),
        (lambda path: with_metadata(strict=[0.5, 0.5]), "threshold"),
        (lambda path: with_metadata(classes=[]), "class names"),
        (lambda path: with_metadata(classes=[1, 2, 3]), "class names"),
        (lambda path: with_metadata(preprocessing=None), "preprocessing"),
        (lambda path: with_metadata(preprocessing={"size": -1}), "size"),
        (lambda path: with_metadata(temperature=0), "temperature"),
        (lambda path: with_metadata(threshold=1.5), "threshold"),
    ],
    ids=range(21),
)
def test_invalid_model_file_is_refused_with_a_message(make, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "model.onnx"
    path.write_bytes(make(path))
    with pytest.raises(ModelError, match=words) as caught:
        FlowerClassifier(path, device="cpu")
    assert "\n" not in str(caught.value)


def test_logits_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    model = tiny_model()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.full((3, 3), np.nan, np.float32), "weights"))
    (tmp_path / "nan.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not finite"):
        FlowerClassifier(tmp_path / "nan.onnx", device="cpu").predict(RED)


@pytest.mark.parametrize("threads", [0, -1, 2.5, "many"])
def test_invalid_thread_numbers_are_refused(threads: object, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="threads"):
        FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), threads=threads)  # type: ignore[arg-type]


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such model file"):
        FlowerClassifier(tmp_path / "nowhere.onnx")


def test_metadata_survives_a_round_trip_through_a_file(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "evaluation": {"test": {"images": 3, "top1": 99.5}},
        "versions": {"numpy": "2"},
        "classes": ("á", "b", "c"),
        "familiarity_threshold": 0.25,
        "strict": Cuts(0.75, 0.5),
        "familiarity": {"expected_named": 95.5, "interval": [94.0, 96.5]},
    }
    info = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx", **changes)).info
    assert {name: getattr(info, name) for name in changes} == changes


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_damaged_model_file_works_or_is_refused(
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
def test_any_metadata_is_read_or_refused(changes: dict[str, str]) -> None:
    with contextlib.suppress(ModelError):
        assert ModelInfo.from_metadata(INFO.to_metadata() | changes).classes
