"""Targets: what each kind of device gets, and why one file does not serve them all.

``cpu``
    One INT8 file for every processor: uint8 activations, int8 weights with a scale for each output channel. x86 with
    VNNI and arm64 multiply those exactly. x86 with AVX2 alone adds pairs of products in 16 bits, where they can
    overflow; `runtime.inference.session.Session` therefore asks onnxruntime to hold weights as uint8 there, and whoever opens the
    file otherwise must set ``session.x64quantprecision`` to 1.
``cuda``
    FP16 for onnxruntime's CUDA kernels, which have no INT8 convolution; and INT8 for TensorRT, which takes int8
    activations with zero point 0 alone (NVIDIA, "Working with Quantized Types").
``mobile``
    The same network as ``cpu``, in a folder for apps (`export.mobile`): ORT format, photo in, names out.
``web``
    The same network as ``cpu``, in a page that any browser runs (`export.web`).
"""

from dataclasses import dataclass

TARGETS = ("cpu", "cuda", "mobile", "web")


PRECISIONS = ("none", "fp16", "int8")


@dataclass(frozen=True)
class ModelVariant:
    """One network of an export."""

    name: str
    """In the names of its files."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""
    tensorrt: bool = False
    """Activations with zero point 0, and an intake of operators that TensorRT has."""


def model_variants(target: str, quantize: str) -> list[ModelVariant]:
    """What ``--target`` and ``--quantize`` ask for: FP32, the reference of all that is measured, comes first."""
    wanted = [ModelVariant("fp32", "fp32")]
    if quantize == "fp16" or (target, quantize) == ("cuda", "int8"):
        wanted.append(ModelVariant("fp16", "fp16"))
    if quantize == "int8":
        tensorrt = target == "cuda"
        name = "int8-tensorrt" if tensorrt else "int8"
        wanted.append(ModelVariant(name, "int8", tensorrt=tensorrt))
    return wanted
