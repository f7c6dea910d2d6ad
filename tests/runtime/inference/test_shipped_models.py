"""The models inside the package, by name."""

from pathlib import Path

import pytest

from runtime import FlowerClassifier
from runtime.inference.shipped_models import SHIPPED_MODELS, SMALL_MODEL, model_path


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_a_name_opens_the_model(name: str, photo: Path) -> None:
    named, by_path = FlowerClassifier(name, device="cpu"), FlowerClassifier(SHIPPED_MODELS[name], device="cpu")
    assert named.predict(photo) == by_path.predict(photo)
    assert named.classes == FlowerClassifier(device="cpu").classes


def test_other_values_are_paths() -> None:
    assert model_path("slim") == SMALL_MODEL
    for path in ("./slim", "slim.onnx", Path("models/slim")):
        assert model_path(path) == Path(path)
