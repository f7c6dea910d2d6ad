"""Opens a network of ncnn."""

from pathlib import Path

import numpy as np

from benchmarks.engines.opening.answer import Answer

PARAM, WEIGHTS = "network.param", "network.bin"
INPUT, OUTPUT = "in0", "out0"
"""The names that pnnx gives."""


def open_form(folder: Path, threads: int, *, pixel_zero: int, bf16: bool = False) -> Answer:
    """Open the network with ncnn's default options, or with BF16 between the layers.

    Args:
        folder: of the form.
        threads: of the network.
        pixel_zero: the byte that becomes 0 before the network.
        bf16: whether the activations are BF16.

    Raises:
        RuntimeError: ncnn does not open the network.
    """
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_bf16_storage = network.opt.use_bf16_packed = bf16
    for status in (network.load_param(str(folder / PARAM)), network.load_model(str(folder / WEIGHTS))):
        if status:
            raise RuntimeError("ncnn does not open the network")
    zero = [float(pixel_zero)] * 3

    def answer(images: np.ndarray) -> np.ndarray:
        _, height, width, _ = images.shape
        pixels = ncnn.Mat.from_pixels(images[0], ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        pixels.substract_mean_normalize(zero, [])
        with network.create_extractor() as extractor:
            extractor.input(INPUT, pixels)
            _, logits = extractor.extract(OUTPUT)
            return np.array(logits)

    return answer
