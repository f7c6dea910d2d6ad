"""Targets: which model files each kind of device gets.

``cpu``
    One INT8 file for every processor: uint8 activations, int8 weights with a scale for each output channel. x86 with
    VNNI and arm64 multiply these exactly. x86 with AVX2 and without VNNI adds pairs of products in 16 bits, which can
    overflow. There, `runtime.inference.session.Session` makes onnxruntime hold the weights as uint8. Programs that open
    the file with onnxruntime directly must set ``session.x64quantprecision`` to 1 on such processors.
``cuda``
    FP16 for onnxruntime's CUDA provider, which has no INT8 convolution. INT8 for TensorRT, which accepts only int8
    activations with zero point 0 (NVIDIA, "Working with Quantized Types").

Bundles for phones (`export.mobile`) and browsers (`export.web`) are made from a finished model file.
"""

from dataclasses import dataclass

TARGETS = ("cpu", "cuda")
PRECISIONS = ("none", "fp16", "int8")
"""What ``--quantize`` accepts. ``none`` writes FP32 only."""


@dataclass(frozen=True)
class ModelVariant:
    """One model file of an export."""

    name: str
    """Part of the file name."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""
    tensorrt: bool = False
    """Whether the graph has the form of TensorRT: activations with zero point 0, and a byte input of Cast and Sub."""


def model_variants(target: str, quantize: str) -> list[ModelVariant]:
    """Return the variants that an export writes. FP32, the reference of all measurements, comes first.

    Args:
        target: a name in `TARGETS`.
        quantize: a name in `PRECISIONS`.
    """
    variants = [ModelVariant("fp32", "fp32")]
    if quantize == "fp16" or (target, quantize) == ("cuda", "int8"):
        variants.append(ModelVariant("fp16", "fp16"))
    if quantize == "int8":
        tensorrt = target == "cuda"
        name = "int8-tensorrt" if tensorrt else "int8"
        variants.append(ModelVariant(name, "int8", tensorrt=tensorrt))
    return variants
