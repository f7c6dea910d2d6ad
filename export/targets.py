"""Targets: what each kind of device gets, and why one file does not serve them all.

``cpu``
    One INT8 file for every processor: uint8 activations, int8 weights with a scale for each output channel. x86 with
    VNNI and arm64 multiply those exactly. x86 with AVX2 alone adds pairs of products in 16 bits, where they can
    overflow; `runtime.session.Session` therefore asks onnxruntime to hold weights as uint8 there, and whoever opens the
    file otherwise must set ``session.x64quantprecision`` to 1.
``cuda``
    FP16 for onnxruntime's CUDA kernels, which have no INT8 convolution; and INT8 for TensorRT, which takes int8
    activations with zero point 0 alone (NVIDIA, "Working with Quantized Types").
``mobile``
    The same network as ``cpu``, in a folder for apps (`export.mobile`): ORT format, photo in, names out.
``web``
    The same network as ``cpu``, in a page that any browser runs (`export.web`).
"""

import warnings
from dataclasses import dataclass

import onnx
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


def forms(target: str, quantize: str) -> list[Form]:
    """What ``--target`` and ``--quantize`` ask for: FP32, the reference of all that is measured, comes first."""
    wanted = [Form("fp32", "fp32")]
    if quantize == "fp16" or (target, quantize) == ("cuda", "int8"):
        wanted.append(Form("fp16", "fp16"))
    if quantize == "int8":
        tensorrt = target == "cuda"
        name = "int8-tensorrt" if tensorrt else "int8"
        wanted.append(Form(name, "int8", tensorrt=tensorrt))
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
