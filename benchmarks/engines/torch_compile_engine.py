"""torch.compile with its default backend, Inductor, which compiles C++ for this processor."""

import platform
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.opening.answer import Answer
from benchmarks.engines.pt2e import quantized
from benchmarks.engines.source import Source, float_pixels

GRAPH = "network.pt2"
X86 = ("x86_64", "amd64")
INTAKE = "part of the compiled network"


class _ByteInput(nn.Module):
    """A core that takes the bytes of a photograph, so that the conversion is compiled, too."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.core(float_pixels(images))
        return logits


def make_float(source: Source, folder: Path) -> None:
    """Write the float network."""
    torch.export.save(torch.export.export(source.core(), (source.example(),)), folder / GRAPH)


def make_int8(source: Source, folder: Path) -> None:
    """Quantize the network for Inductor's operators on x86-64, which are oneDNN's.

    Raises:
        RuntimeError: this processor is another one.
    """
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    if platform.machine().lower() not in X86:
        raise RuntimeError("X86InductorQuantizer is for x86-64")
    quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())
    module = quantized(source, quantizer)
    torch.export.save(torch.export.export(module, (source.example(),)), folder / GRAPH)


def open_form(folder: Path, threads: int, *, int8: bool = False) -> Answer:
    """Load the network and compile it. The compiled code stays in Inductor's cache for the next process.

    Raises:
        RuntimeError: compiling failed, for example because there is no C++ compiler.
    """
    from torch._inductor import config

    if int8:
        # Registers the quantization operators, which the file names.
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer  # noqa: F401

    torch.set_num_threads(threads)
    config.freezing = True  # weights are constants, so they can be packed once
    network = torch.compile(_ByteInput(torch.export.load(folder / GRAPH).module()))

    def answer(images: np.ndarray) -> np.ndarray:
        # Not torch.inference_mode: Inductor freezes weights only without gradients, and compiles again for each mode.
        with torch.no_grad():
            result: np.ndarray = network(torch.from_numpy(images)).numpy()
        return result

    return answer


TORCH_COMPILE = Engine(
    "torch.compile",
    ("torch",),
    (
        Form("fp32", "FP32, Inductor with frozen weights", INTAKE, open_form, make_float),
        Form(
            "int8",
            "INT8 per channel by torchao's PT2E and X86InductorQuantizer, {photographs} photographs, Inductor with "
            "frozen weights",
            INTAKE,
            partial(open_form, int8=True),
            make_int8,
            packages=("torchao",),
        ),
    ),
)
