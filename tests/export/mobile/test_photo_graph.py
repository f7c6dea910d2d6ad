"""The graph of the mobile bundle compared with the runtime, for photos of many shapes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, checker, helper
from PIL import Image

from export.graph.node_builder import NodeBuilder
from export.mobile.centre_crop import add_centre_square
from export.mobile.photo_graph import VERDICTS, build_photo_graph
from runtime import FlowerClassifier, ModelError, ModelInfo, Preprocessing
from runtime.inference.session import session_options
from tests.samples.drawn_flowers import draw_flower
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model

RULES = (
    Preprocessing(),
    Preprocessing(64, 1.0),
    Preprocessing(224, 0.95, "bilinear"),
    Preprocessing(33, 0.5),
)
SIDES = st.one_of(st.integers(1, 40), st.integers(41, 700), st.sampled_from([223, 224, 225, 255, 256, 257, 448, 512]))


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, session_options(1), providers=["CPUExecutionProvider"])


def open_crop_graph(rule: Preprocessing) -> onnxruntime.InferenceSession:
    """Open a graph that consists of the crop and resize only."""
    nodes = NodeBuilder("test")
    add_centre_square(nodes, "photo", "square", rule)
    graph = helper.make_graph(
        nodes.nodes,
        "crop",
        [helper.make_tensor_value_info("photo", TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info("square", TensorProto.UINT8, [1, rule.size, rule.size, 3])],
        nodes.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    return open_session(model.SerializeToString())


CROP_GRAPHS = {rule: open_crop_graph(rule) for rule in RULES}


def draw_smooth_picture(height: int, width: int, seed: int, detail: int) -> np.ndarray:
    """Draw a random pattern with details of ``detail`` pixels: uint8, shape (height, width, 3)."""
    coarse = (height // detail + 2, width // detail + 2, 3)
    small = np.random.default_rng(seed).integers(0, 256, coarse, dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def worst_difference(rule: Preprocessing, pixels: np.ndarray) -> int:
    """Return the largest difference of a byte between the graph's square and the runtime's."""
    square = CROP_GRAPHS[rule].run(None, {"photo": pixels})[0][0]
    return int(np.abs(square.astype(int) - rule.crop(Image.fromarray(pixels))).max())


@settings(max_examples=80)
@given(rule=st.sampled_from(RULES), height=SIDES, width=SIDES, seed=st.integers(0, 99), detail=st.integers(6, 30))
@example(RULES[0], 256, 341, 0, 8)  # the same scale, but moved by half a pixel
@example(RULES[0], 256, 342, 0, 8)  # the same scale and position
@example(RULES[0], 500, 700, 0, 8)
@example(RULES[1], 64, 64, 0, 8)
@example(RULES[1], 378, 450, 0, 8)  # float32 cannot represent the scale exactly
def test_graph_crops_like_the_runtime(rule: Preprocessing, height: int, width: int, seed: int, detail: int) -> None:
    # Pictures of a few pixels contain hard edges only; another test below covers them.
    assume(min(height, width) >= 24)
    assert worst_difference(rule, draw_smooth_picture(height, width, seed, detail)) <= 3


@settings(max_examples=20)
@given(rule=st.sampled_from(RULES), height=st.integers(450, 900), width=st.integers(450, 900), seed=st.integers(0, 99))
def test_graph_shrinks_noise_like_the_runtime(rule: Preprocessing, height: int, width: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    # For a tall picture, Pillow does the vertical pass first and onnxruntime the horizontal one; both clip in between.
    is_tall = height > 1.5 * width
    assert worst_difference(rule, noise) <= (16 if is_tall else 2)


@settings(max_examples=40)
@given(
    rule=st.sampled_from(RULES),
    sides=st.one_of(
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        st.sampled_from([(1, 1), (1, 5000), (5000, 1), (5000, 3), (2, 3000)]),
    ),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_one_colour_stays_that_colour_in_tiny_and_long_photos(
    rule: Preprocessing, sides: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """The graph reads no pixels outside the photo."""
    square = CROP_GRAPHS[rule].run(None, {"photo": np.full((*sides, 3), colour, dtype=np.uint8)})[0]
    assert square.shape == (1, rule.size, rule.size, 3)
    assert (square == np.array(colour)).all()


@pytest.mark.parametrize(("info", "expected"), [(INFO, 3), (ModelInfo((*"abcdefg",), INFO.preprocessing), 5)])
def test_answer_equals_the_runtimes(info: ModelInfo, expected: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    random = np.random.default_rng(0)
    photos = [np.asarray(draw_flower(kind, random, 90)) for kind in range(8)]
    photos.append(
        np.full((20, 30, 3), 128, dtype=np.uint8)
    )  # all probabilities are equal: the classes keep their order
    certain = []
    for temperature, threshold in ((1.0, 0.0), (0.4, 0.9), (3.0, 0.45)):
        metadata = ModelInfo(info.classes, info.preprocessing, temperature=temperature, threshold=threshold)
        model = tiny_model(metadata, classes=len(info.classes))
        path.write_bytes(model.SerializeToString())
        classifier = FlowerClassifier(path, device="cpu")
        session = open_session(build_photo_graph(model, metadata, any_size=True).SerializeToString())
        for photo in photos:
            names, probabilities, indices, uncertain, verdict = session.run(None, {"photo": photo})
            answer = classifier.predict(photo)
            # A difference of one level in the square changes a logit by 1/25.
            assert probabilities == pytest.approx([p.probability for p in answer], abs=0.02)
            assert len(names) == expected
            if np.diff([p.probability for p in answer]).max() < -0.02 or len(set(probabilities)) == 1:
                assert list(names) == [p.label for p in answer]
                assert list(indices) == [p.index for p in answer]
            if abs(answer.best.probability - threshold) > 0.02:
                assert bool(uncertain[0]) == answer.uncertain
                assert VERDICTS[verdict[0]] == answer.verdict
                certain.append(not answer.uncertain)
    assert True in certain
    assert False in certain


def test_probability_equal_to_the_threshold_is_certain() -> None:
    """The comparison has float64 precision, as in Python."""
    third = float(np.float32(1) / np.float32(3))
    grey = np.full((16, 16, 3), 128, dtype=np.uint8)
    answers = []
    for threshold in (third - 1e-12, third, third + 1e-12):
        info = ModelInfo(INFO.classes, INFO.preprocessing, threshold=threshold)
        session = open_session(build_photo_graph(tiny_model(info), info, any_size=True).SerializeToString())
        probabilities, uncertain = session.run(["probabilities", "uncertain"], {"photo": grey})
        assert bool(uncertain[0]) == (float(probabilities[0]) < threshold)
        answers.append(bool(uncertain[0]))
    assert answers == [False, False, True]


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_verdict_and_familiarity_are_the_runtimes(threshold: float, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"threshold": threshold, "familiarity_threshold": 0.6, "temperature": 5.0}
    path = save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, **changes)
    info = replace(INFO, **changes)
    classifier = FlowerClassifier(path, device="cpu")
    graph = build_photo_graph(tiny_model(info, familiarity=True), info, any_size=True)
    session = open_session(graph.SerializeToString())
    verdicts = set()
    for brightness in (255, 200, 100, 20):
        photo = np.full((20, 30, 3), (brightness, 10, 10), dtype=np.uint8)
        expected = classifier.predict(photo)
        uncertain, verdict, familiarity = session.run(["uncertain", "verdict", "familiarity"], {"photo": photo})
        assert (bool(uncertain[0]), VERDICTS[verdict[0]]) == (expected.uncertain, expected.verdict)
        assert familiarity == pytest.approx([expected.familiarity])
        verdicts.add(expected.verdict)
    assert verdicts == {"between" if threshold else "name", "unfamiliar"}


def test_graph_of_fixed_size_takes_the_square(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
    classifier = FlowerClassifier(path, device="cpu")
    session = open_session(build_photo_graph(tiny_model(), INFO, any_size=False).SerializeToString())
    assert session.get_inputs()[0].shape == [1, 16, 16, 3]
    photo = np.asarray(draw_flower(2, np.random.default_rng(0), 60))
    answer = classifier.predict(photo)
    names, probabilities, *_ = session.run(None, {"photo": INFO.preprocessing(photo)[np.newaxis]})
    assert list(names) == [p.label for p in answer]
    assert probabilities == pytest.approx([p.probability for p in answer], abs=1e-6)


def test_other_opset_is_rejected() -> None:
    model = tiny_model()
    model.opset_import[0].version = 17
    with pytest.raises(ModelError, match="opset 17"):
        build_photo_graph(model, INFO, any_size=True)
