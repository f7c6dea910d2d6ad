"""The class distance and the output ``familiarity``."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.confidence.class_distance import DIRECTIONS, ClassDistance, fit_class_distance, unit_length
from export.errors import ExportError
from export.graph.familiarity_output import with_familiarity
from export.graph.interface import OPSET
from runtime.inference.model_file import FAMILIARITY, OUTPUT

FEATURES, CLASSES = 300, 4


def draw_photographs(random: np.random.Generator, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of ``each`` photographs of every class, around class means that are always the same."""
    means = 5 * np.random.default_rng(0).random((CLASSES, FEATURES))
    labels = np.arange(CLASSES).repeat(each)
    return (means[labels] + random.random((len(labels), FEATURES))).astype(np.float32), labels


@pytest.mark.parametrize("each", [1, 3, 40])
def test_other_photographs_are_farther_than_those_of_the_class(each: int) -> None:
    random = np.random.default_rng(1)
    distance = fit_class_distance(*draw_photographs(random, each), CLASSES)
    features, labels = draw_photographs(random, 50)
    own = distance.distances(features, labels)
    assert own.max() < distance.distances(features, (labels + 1) % CLASSES).min()
    strangers = 5 * random.random((50, FEATURES), np.float32)
    assert own.max() < distance.distances(strangers, labels[:50]).min()
    assert distance.directions.shape == (FEATURES, min(DIRECTIONS, max(CLASSES, CLASSES * each)))


def test_distance_is_that_of_mahalanobis() -> None:
    features, labels = draw_photographs(np.random.default_rng(2), 200)
    distance = fit_class_distance(features[:, :60], labels, CLASSES)  # so few features that all directions are exact
    unit = unit_length(features[:, :60].astype(np.float64))
    means = np.stack([unit[labels == label].mean(axis=0) for label in range(CLASSES)])
    deviations = unit - means[labels]
    covariance = deviations.T @ deviations / (len(unit) - CLASSES)
    share = 60 / (60 + len(unit) - CLASSES)
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / 60 * np.eye(60)
    expected = np.einsum("ij,jk,ik->i", deviations, np.linalg.inv(shrunk), deviations)
    assert np.allclose(distance.distances(features[:, :60], labels), expected, rtol=0.05)  # float16


def head(precision: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A graph that is only a head: features in, logits out."""
    weights = np.random.default_rng(3).normal(size=(FEATURES, CLASSES))
    dtype = helper.tensor_dtype_to_np_dtype(precision)
    nodes = [
        helper.make_node("Cast", ["image"], ["features"], to=precision),
        helper.make_node("MatMul", ["features", "weights"], ["scores"]),
        helper.make_node("Cast", ["scores"], [OUTPUT], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", FEATURES])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])],
        [onnx.numpy_helper.from_array(weights.astype(dtype), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


@pytest.mark.parametrize("precision", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_graph_computes_the_familiarity(precision: int) -> None:
    random = np.random.default_rng(4)
    fitted = fit_class_distance(*draw_photographs(random, 20), CLASSES)
    features, labels = draw_photographs(random, 8)
    distance = ClassDistance(**{**vars(fitted), "scale": float(np.median(fitted.distances(features, labels)))})
    model = with_familiarity(head(precision), distance)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    features[0] = 0  # features without a length
    logits, familiarity = session.run([OUTPUT, FAMILIARITY], {"image": features})
    assert familiarity.shape == (len(features),)
    assert familiarity.dtype == np.float32
    seen = features if precision == TensorProto.FLOAT else features.astype(np.float16).astype(np.float32)
    assert np.allclose(familiarity, distance.familiarity(seen, logits.argmax(axis=1)), atol=2e-3)
    assert np.ptp(familiarity) > 0.1


def test_graph_without_a_head_is_rejected() -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], [OUTPUT])],
        "no head",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 4])],
    )
    with pytest.raises(ExportError, match="no head"):
        with_familiarity(helper.make_model(graph), fit_class_distance(np.ones((2, 4), np.float32), np.array([0, 1]), 2))
