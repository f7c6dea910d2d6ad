"""LiteRT (once TensorFlow Lite), whose interpreter runs XNNPACK on CPUs."""

import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.opening.litert import NETWORK
from benchmarks.engines.opening.openers import OPENERS
from benchmarks.engines.source import Source
from finetune.network.photo_network import PIXEL_ZERO


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


LITERT = Engine(
    "litert",
    ("ai-edge-litert", "litert-torch", "ai-edge-quantizer"),
    (
        Form(
            "int8",
            "INT8 per channel by ai-edge-quantizer (static_wi8_ai8), {photographs} photographs, in XNNPACK",
            "a table turns the bytes into the INT8 of the input",
            partial(OPENERS["litert", "int8"], pixel_zero=PIXEL_ZERO),
            make,
        ),
    ),
)
