"""Photo in, names out: the graph of the mobile bundle against the runtime, on every shape of photo."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, checker, helper
from PIL import Image

from export.graph.node_builder import NodeBuilder
from export.mobile.centre_crop import add_centre_square
from export.mobile.photo_graph import photo_graph
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


def geometry(rule: Preprocessing) -> onnxruntime.InferenceSession:
    """The geometry alone."""
    nodes = NodeBuilder("test")
    add_centre_square(nodes, "photo", "square", rule)
    graph = helper.make_graph(
        nodes.nodes,
        "geometry",
        [helper.make_tensor_value_info("photo", TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info("square", TensorProto.UINT8, [1, rule.size, rule.size, 3])],
        nodes.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    return open_session(model.SerializeToString())


GEOMETRIES = {rule: geometry(rule) for rule in RULES}


def picture(height: int, width: int, seed: int, detail: int) -> np.ndarray:
    """Clouds whose grain is ``detail`` pixels: uint8 (height, width, 3)."""
    coarse = (height // detail + 2, width // detail + 2, 3)
    small = np.random.default_rng(seed).integers(0, 256, coarse, dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def difference(rule: Preprocessing, pixels: np.ndarray) -> int:
    found = GEOMETRIES[rule].run(None, {"photo": pixels})[0][0]
    return int(np.abs(found.astype(int) - rule.crop(Image.fromarray(pixels))).max())


@settings(max_examples=80)
@given(rule=st.sampled_from(RULES), height=SIDES, width=SIDES, seed=st.integers(0, 99), detail=st.integers(6, 30))
@example(RULES[0], 256, 341, 0, 8)  # the square's pixels are the photo's, but half a pixel to the side
@example(RULES[0], 256, 342, 0, 8)  # and here exactly the photo's
@example(RULES[0], 500, 700, 0, 8)
@example(RULES[1], 64, 64, 0, 8)
@example(RULES[1], 378, 450, 0, 8)  # the scale is no number that float32 holds
def test_the_graph_crops_as_the_runtime_does(
    rule: Preprocessing, height: int, width: int, seed: int, detail: int
) -> None:
    # In pictures of a few pixels, all that is left of a cloud are hard edges; those are looked at below.
    assume(min(height, width) >= 24)
    assert difference(rule, picture(height, width, seed, detail)) <= 3


@settings(max_examples=20)
@given(rule=st.sampled_from(RULES), height=st.integers(450, 900), width=st.integers(450, 900), seed=st.integers(0, 99))
def test_pure_noise_comes_out_the_same_where_the_photo_shrinks(
    rule: Preprocessing, height: int, width: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert difference(rule, noise) <= 2


@settings(max_examples=40)
@given(
    rule=st.sampled_from(RULES),
    sides=st.one_of(
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        st.sampled_from([(1, 1), (1, 5000), (5000, 1), (5000, 3), (2, 3000)]),
    ),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_the_smallest_and_the_longest_photos_become_a_square(
    rule: Preprocessing, sides: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """No black borders and no neighbours' memory: one colour stays that colour."""
    found = GEOMETRIES[rule].run(None, {"photo": np.full((*sides, 3), colour, dtype=np.uint8)})[0]
    assert found.shape == (1, rule.size, rule.size, 3)
    assert (found == np.array(colour)).all()


@pytest.mark.parametrize(("info", "expected"), [(INFO, 3), (ModelInfo((*"abcdefg",), INFO.preprocessing), 5)])
def test_the_answer_is_the_runtimes(info: ModelInfo, expected: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    random = np.random.default_rng(0)
    photos = [np.asarray(draw_flower(kind, random, 90)) for kind in range(8)]
    photos.append(np.full((20, 30, 3), 128, dtype=np.uint8))  # all classes alike: the first goes first
    sure = []
    for temperature, threshold in ((1.0, 0.0), (0.4, 0.9), (3.0, 0.45)):
        told = ModelInfo(info.classes, info.preprocessing, temperature=temperature, threshold=threshold)
        model = tiny_model(told, classes=len(info.classes))
        path.write_bytes(model.SerializeToString())
        classifier = FlowerClassifier(path, device="cpu")
        session = open_session(photo_graph(model, told, any_size=True).SerializeToString())
        for photo in photos:
            names, probabilities, indices, uncertain = session.run(None, {"photo": photo})
            answer = classifier.predict(photo)
            # A level of one byte in the square is 1/25 of a logit.
            assert probabilities == pytest.approx([p.probability for p in answer], abs=0.02)
            assert len(names) == expected
            if np.diff([p.probability for p in answer]).max() < -0.02 or len(set(probabilities)) == 1:
                assert list(names) == [p.label for p in answer]
                assert list(indices) == [p.index for p in answer]
            if abs(answer.best.probability - threshold) > 0.02:
                assert bool(uncertain[0]) == answer.uncertain
                sure.append(not answer.uncertain)
    assert True in sure
    assert False in sure


def test_a_probability_that_is_the_threshold_is_sure() -> None:
    """Compared as Python does it: 0.1 in double is not 0.1 in float32."""
    third = float(np.float32(1) / np.float32(3))
    grey = np.full((16, 16, 3), 128, dtype=np.uint8)
    answers = []
    for threshold in (third - 1e-12, third, third + 1e-12):
        info = ModelInfo(INFO.classes, INFO.preprocessing, threshold=threshold)
        session = open_session(photo_graph(tiny_model(info), info, any_size=True).SerializeToString())
        _, probabilities, _, uncertain = session.run(None, {"photo": grey})
        assert bool(uncertain[0]) == (float(probabilities[0]) < threshold)
        answers.append(bool(uncertain[0]))
    assert answers == [False, False, True]


def test_the_square_goes_in_as_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
    classifier = FlowerClassifier(path, device="cpu")
    session = open_session(photo_graph(tiny_model(), INFO, any_size=False).SerializeToString())
    assert session.get_inputs()[0].shape == [1, 16, 16, 3]
    photo = np.asarray(draw_flower(2, np.random.default_rng(0), 60))
    answer = classifier.predict(photo)
    names, probabilities, *_ = session.run(None, {"photo": INFO.preprocessing(photo)[np.newaxis]})
    assert list(names) == [p.label for p in answer]
    assert probabilities == pytest.approx([p.probability for p in answer], abs=1e-6)


def test_another_opset_is_refused() -> None:
    model = tiny_model()
    model.opset_import[0].version = 17
    with pytest.raises(ModelError, match="opset 17"):
        photo_graph(model, INFO, any_size=True)
