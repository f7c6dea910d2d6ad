"""LiteRT (once TensorFlow Lite), whose interpreter runs XNNPACK on CPUs."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.engines.engine import Answer, Engine, Form
from benchmarks.engines.source import Source
from finetune.network.photo_network import PIXEL_ZERO

NETWORK = "network.tflite"
BYTES = np.arange(256)


class _ChannelsLast(nn.Module):
    """A core that takes channels last, as all convolutions of LiteRT do: float32, shape (1, size, size, 3)."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.core(pixels.permute(0, 3, 1, 2))
        return logits


def make(source: Source, folder: Path) -> None:
    """Convert the network and quantize it with LiteRT's own quantizer: weights, activations, input and output."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe
    from litert_torch import convert

    example = source.example().permute(0, 2, 3, 1).contiguous()
    with tempfile.TemporaryDirectory() as scratch:
        float_file = str(Path(scratch, "float.tflite"))
        convert(_ChannelsLast(source.core()).eval(), (example,)).export(float_file)
        ((signature, names),) = Interpreter(float_file).get_signature_list().items()
        (name,) = names["inputs"]
        pixels = [{name: each.permute(0, 2, 3, 1).contiguous().numpy()} for each in source.pixels()]
        own = quantizer.Quantizer(float_file)
        own.load_quantization_recipe(recipe.static_wi8_ai8())
        own.quantize(own.calibrate({signature: pixels})).export_model(str(folder / NETWORK))


def open_form(folder: Path, threads: int) -> Answer:
    """Open the network with the interpreter's default operators, which include XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / NETWORK), num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    (scale, zero), (output_scale, output_zero) = taken["quantization"], given["quantization"]
    # There are 256 bytes, so the quantization of the pixels is one table.
    table = np.clip(np.round((BYTES - PIXEL_ZERO) / scale) + zero, -128, 127).astype(np.int8)

    def answer(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], table[images])
        interpreter.invoke()
        logits: np.ndarray = (interpreter.get_tensor(given["index"]).astype(np.float32) - output_zero) * output_scale
        return logits

    return answer


LITERT = Engine(
    "litert",
    ("ai-edge-litert", "litert-torch", "ai-edge-quantizer"),
    (
        Form(
            "int8",
            "INT8 per channel by ai-edge-quantizer (static_wi8_ai8), {photographs} photographs, in XNNPACK",
            "a table turns the bytes into the INT8 of the input",
            open_form,
            make,
        ),
    ),
)
