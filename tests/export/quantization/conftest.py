"""Fixtures that the tests of quantization share."""

import numpy as np
import onnx
import pytest

from export.quantization.calibration import collect_histograms
from export.quantization.histograms import Histograms
from tests.export.small_networks import random_images, three_layer_network


@pytest.fixture(scope="module")
def core() -> onnx.ModelProto:
    return three_layer_network()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return random_images(40)


@pytest.fixture(scope="module")
def histograms(core: onnx.ModelProto, images: np.ndarray) -> Histograms:
    return collect_histograms(core, [images[:7], images[7:]], len(images))
