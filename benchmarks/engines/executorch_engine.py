"""ExecuTorch with XNNPACK, the backend that its documentation recommends for CPUs."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.opening.answer import Answer
from benchmarks.engines.pt2e import quantized
from benchmarks.engines.source import Source, float_pixels

PROGRAM = "network.pte"


def make(source: Source, folder: Path) -> None:
    """Quantize the network for XNNPACK and write the program.

    Raises:
        RuntimeError: XNNPACK does not take the whole network; the rest would run in slow reference operators.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    exported = torch.export.export(quantized(source, quantizer), (source.example(),))
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    calls = [str(node.target) for node in program.exported_program().graph.nodes if node.op == "call_function"]
    outside = [name for name in calls if "getitem" not in name and name != "executorch_call_delegate"]
    if outside:
        raise RuntimeError(f"XNNPACK does not take: {', '.join(sorted(set(outside)))}")
    (folder / PROGRAM).write_bytes(program.buffer)


def open_form(folder: Path, threads: int) -> Answer:
    """Open the program. The number of threads is one for the whole process."""
    from executorch.extension.pybindings import _C
    from executorch.runtime import Runtime

    # ExecuTorch's Python package has no other way to set it. Nothing runs in the pool yet.
    _C._unsafe_reset_threadpool(threads)
    method = Runtime.get().load_program(folder / PROGRAM).load_method("forward")
    if method is None:
        raise RuntimeError("the program has no method 'forward'")

    def answer(images: np.ndarray) -> np.ndarray:
        (logits,) = method.execute([float_pixels(torch.from_numpy(images))])
        result: np.ndarray = logits.numpy()
        return result

    return answer


EXECUTORCH = Engine(
    "executorch",
    ("executorch", "torchao"),
    (
        Form(
            "int8",
            "INT8 per channel by torchao's PT2E and XNNPACKQuantizer, {photographs} photographs, in XNNPACK",
            "torch converts the bytes to float planes; XNNPACK quantizes them",
            open_form,
            make,
        ),
    ),
)
