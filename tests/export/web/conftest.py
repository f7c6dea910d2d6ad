"""Fixtures of the web bundle's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.samples.web_site import CLASSES, build_tiny_site, web_archive


@pytest.fixture(scope="session")
def site(make_once: Callable[..., Path]) -> Path:
    """A bundle with the real onnxruntime-web, of a model that is sure of red photos and knows no dark ones.

    Tests must not change it.
    """
    archive = web_archive()

    def build(folder: Path) -> None:
        build_tiny_site(
            folder / "tiny",
            archive,
            with_familiarity=True,
            classes=CLASSES,
            temperature=4.0,
            threshold=0.8,
            familiarity_threshold=0.3,
        )

    return make_once("site", build) / "tiny"
