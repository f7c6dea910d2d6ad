"""ncnn, with the network as pnnx converts it."""

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.opening.ncnn import PARAM, WEIGHTS
from benchmarks.engines.opening.openers import OPENERS
from benchmarks.engines.source import Source
from finetune.network.photo_network import PIXEL_ZERO

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


NCNN = Engine(
    "ncnn",
    ("ncnn", "pnnx"),
    tuple(
        Form(
            name,
            f"float by pnnx, weights stored as FP16, {words}",
            INTAKE,
            partial(OPENERS["ncnn", name], pixel_zero=PIXEL_ZERO),
            make,
        )
        for name, words in (("fp16", "ncnn's default options"), ("bf16", "BF16 storage"))
    ),
)
