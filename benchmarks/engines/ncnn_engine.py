"""ncnn, with the network as pnnx converts it."""

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engines.engine import Answer, Engine, Form
from benchmarks.engines.source import Source
from finetune.network.photo_network import PIXEL_ZERO

PARAM, WEIGHTS = "network.param", "network.bin"
INPUT, OUTPUT = "in0", "out0"
"""The names that pnnx gives."""
INTAKE = "ncnn's own conversion to float planes, minus the zero of the pixels"


def make(source: Source, folder: Path) -> None:
    """Convert the network. pnnx stores the weights as FP16 unless it is told otherwise.

    pnnx runs in a process of its own: it is a program, and its Python module prints and leaves other files.

    Raises:
        RuntimeError: pnnx wrote no network.
    """
    from pnnx import EXEC_PATH

    side = source.size
    with tempfile.TemporaryDirectory() as scratch:
        traced = Path(scratch, "network.pt")
        trace: Any = torch.jit.trace  # it has no type hints
        trace(source.core(), source.example()).save(str(traced))
        command = [EXEC_PATH, traced.name, f"inputshape=[1,3,{side},{side}]"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        param, weights = traced.with_name("network.ncnn.param"), traced.with_name("network.ncnn.bin")
        if done.returncode or not param.is_file() or not weights.is_file():
            print(done.stderr, file=sys.stderr)
            raise RuntimeError(f"pnnx ended with status {done.returncode}")
        shutil.move(param, folder / PARAM)
        shutil.move(weights, folder / WEIGHTS)


def open_form(folder: Path, threads: int, *, bf16: bool = False) -> Answer:
    """Open the network with ncnn's default options, or with BF16 between the layers."""
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_bf16_storage = network.opt.use_bf16_packed = bf16
    for status in (network.load_param(str(folder / PARAM)), network.load_model(str(folder / WEIGHTS))):
        if status:
            raise RuntimeError("ncnn does not open the network")
    zero = [float(PIXEL_ZERO)] * 3

    def answer(images: np.ndarray) -> np.ndarray:
        _, height, width, _ = images.shape
        pixels = ncnn.Mat.from_pixels(images[0], ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        pixels.substract_mean_normalize(zero, [])
        with network.create_extractor() as extractor:
            extractor.input(INPUT, pixels)
            _, logits = extractor.extract(OUTPUT)
            return np.array(logits)

    return answer


NCNN = Engine(
    "ncnn",
    ("ncnn", "pnnx"),
    (
        Form("fp16", "float by pnnx, weights stored as FP16, ncnn's default options", INTAKE, open_form, make),
        Form(
            "bf16", "float by pnnx, weights stored as FP16, BF16 storage", INTAKE, partial(open_form, bf16=True), make
        ),
    ),
)
