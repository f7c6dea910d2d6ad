"""Detecting processors on which INT8 kernels overflow."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from runtime.inference import int8_overflow
from runtime.inference.session import session_options


def test_probe_is_a_valid_model_whose_product_overflows_16_bits() -> None:
    model = onnx.load_from_string(int8_overflow.PROBE)
    onnx.checker.check_model(model, full_check=True)
    feeds = {"a": np.full((4, 8), 255, np.uint8), "b": np.full((8, 16), 127, np.int8)}
    product: Any = ReferenceEvaluator(model).run(None, feeds)
    assert (product[0] == 8 * 255 * 127).all()
    assert np.iinfo(np.int16).max < 2 * 255 * 127


@pytest.mark.parametrize("saturates", [False, True])
def test_x64quantprecision_is_set_only_if_products_overflow(saturates: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Processor:
        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def run(self, names: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            products = feeds["a"].astype(np.int32)[:, :, None] * feeds["b"].astype(np.int32)
            pairs = products[:, ::2] + products[:, 1::2]
            return [(np.clip(pairs, -32768, 32767) if saturates else pairs).sum(axis=1)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Processor)
    monkeypatch.setattr(
        "runtime.inference.session.int8_products_overflow", int8_overflow.int8_products_overflow.__wrapped__
    )
    assert _uses_uint8_weights(session_options(threads=2)) is saturates


def _uses_uint8_weights(options: onnxruntime.SessionOptions) -> bool:
    try:
        return bool(options.get_session_config_entry("session.x64quantprecision") == "1")
    except RuntimeError:  # not set
        return False
