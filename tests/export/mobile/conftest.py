"""A phone bundle of a tiny model, and how it is made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from export.command_line import main
from runtime.inference.model_file import Cuts
from tests.samples.tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def app(make_once: Callable[..., Path]) -> Path:
    """A folder with a tiny model, ``tiny.onnx``, and its bundle, ``app``. Tests must not change it."""

    def build(folder: Path) -> None:
        cuts = {"threshold": 0.5, "familiarity_threshold": 0.25, "strict": Cuts(0.75, 0.5)}
        model = save_tiny_model(folder / "tiny.onnx", with_familiarity=True, familiarity={"scale": 1.0}, **cuts)
        assert make_bundle(model, folder / "app") == 0

    return make_once("app", build)


def make_bundle(model: Path, output: Path) -> int:
    """Run ``python -m export mobile`` without photographs."""
    return main(["mobile", "--model", str(model), "--output", str(output), "--evaluate", "none"])
