"""Targets: what each kind of device gets, and why one file does not serve them all.

``cpu``
    One INT8 file for every processor: uint8 activations, int8 weights with a scale for each output channel. x86 with
    VNNI and arm64 multiply those exactly. x86 with AVX2 alone adds pairs of products in 16 bits, where they can
    overflow; `runtime.session.Session` therefore asks onnxruntime to hold weights as uint8 there.
``cuda``
    FP16 for onnxruntime's CUDA kernels, which have no INT8 convolution; and INT8 for TensorRT, which takes int8
    activations with zero point 0 alone (NVIDIA, "Working with Quantized Types").
``mobile``
    The same network as ``cpu``, also in ORT format, which the small builds of onnxruntime for phones load.
``web``
    A finished model file in a page that any browser runs (`export.web`); the checkpoint is not needed again.
"""

import contextlib
import io
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort
from onnxruntime.transformers.float16 import convert_float_to_float16

TARGETS = ("cpu", "cuda", "mobile", "web")
PRECISIONS = ("none", "fp16", "int8")


@dataclass(frozen=True)
class Form:
    """One network of an export."""

    name: str
    """In the names of its files."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""
    tensorrt: bool = False
    """Activations with zero point 0, and an intake of operators that TensorRT has."""
    ort: bool = False
    """In ORT format as well."""


def forms(target: str, quantize: str) -> list[Form]:
    """What ``--target`` and ``--quantize`` ask for: FP32, the reference of all that is measured, comes first."""
    wanted = [Form("fp32", "fp32", ort=target == "mobile" and quantize == "none")]
    if quantize == "fp16" or (target, quantize) == ("cuda", "int8"):
        wanted.append(Form("fp16", "fp16", ort=target == "mobile"))
    if quantize == "int8":
        tensorrt = target == "cuda"
        name = "int8-tensorrt" if tensorrt else "int8"
        wanted.append(Form(name, "int8", tensorrt=tensorrt, ort=target == "mobile"))
    return wanted


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` computing in float16, its logits still float32; by onnxruntime's own converter.

    Args:
        model: with the plain intake (`export.graph.with_intake`): float16 holds its whole numbers up to 255 exactly.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights below the smallest float16, which become that
        return convert_float_to_float16(copy, keep_io_types=True)


def to_ort(content: bytes) -> bytes:
    """A model file in ORT format, by onnxruntime's own converter: its graph optimised, but for no one processor."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "model.onnx")
        source.write_bytes(content)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            convert_onnx_models_to_ort(
                source,
                optimization_styles=[OptimizationStyle.Fixed],
                target_platform="arm",
                allow_conversion_failures=False,
            )
        return source.with_suffix(".ort").read_bytes()
