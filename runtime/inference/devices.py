"""Devices: the table of onnxruntime's execution providers, with what must be installed for each.

To add an execution provider, add a `Device` to `DEVICES`; ``--device``, ``--list-devices`` and the messages follow.
This module does not import onnxruntime, because ``--help`` lists the devices and should be fast.
`runtime.inference.providers` finds out which of them the installed onnxruntime supports.

Source: onnxruntime, "Execution Providers", and the names of its packages on PyPI. The TensorRT provider of
onnxruntime-gpu 1.31 is linked with libnvinfer.so.10 and CUDA 13, so TensorRT 11 does not serve.
"""

from typing import NamedTuple


# A NamedTuple, because importing dataclasses would add 20 modules to what ``flower-infer --help`` imports.
class Device(NamedTuple):
    """One kind of processor that can run a network."""

    name: str
    """The value of ``--device``."""
    provider: str
    """The name of onnxruntime's execution provider."""
    summary: str
    """What the device is."""
    install: str
    """How to get an onnxruntime that has the provider."""


DEVICES = {
    device.name: device
    for device in (
        Device("cpu", "CPUExecutionProvider", "any processor", "pip install onnxruntime"),
        Device("cuda", "CUDAExecutionProvider", "NVIDIA GPU",
               "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"),
        Device("tensorrt", "TensorrtExecutionProvider", "NVIDIA GPU through TensorRT; the first start takes minutes",
               "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]' 'tensorrt-cu13<11'"),
        Device("openvino", "OpenVINOExecutionProvider", "Intel processors and GPUs",
               "pip uninstall onnxruntime && pip install onnxruntime-openvino"),
        Device("coreml", "CoreMLExecutionProvider", "Apple's GPU and Neural Engine",
               "pip install onnxruntime on a Mac"),
        Device("qnn", "QNNExecutionProvider", "Qualcomm's NPU",
               "pip uninstall onnxruntime && pip install onnxruntime-qnn"),
        Device("xnnpack", "XnnpackExecutionProvider", "Arm processors through XNNPACK",
               "build onnxruntime with --use_xnnpack; no package on PyPI has it"),
        Device("nnapi", "NnapiExecutionProvider", "Android's accelerators",
               "use the Android package onnxruntime-android; no package on PyPI has it"),
    )
}  # fmt: skip
"""Name → device. The names are the values of ``--device``."""

AUTO = ("cuda", "openvino", "cpu")
"""What ``auto`` tries, the best first. TensorRT is left out because it compiles for minutes at the first start. The
others run only some of this network's operators and leave the rest to the CPU, which is slower than the CPU alone."""

DEVICE_NAMES = ("auto", *DEVICES)
"""All values of ``--device``."""
