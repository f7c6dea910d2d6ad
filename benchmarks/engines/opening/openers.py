"""The forms that are also measured on arm64, and the function that opens each."""

from collections.abc import Callable
from functools import partial

from benchmarks.engines.opening.answer import Answer
from benchmarks.engines.opening.litert import open_form as open_litert
from benchmarks.engines.opening.ncnn import open_form as open_ncnn

OPENERS: dict[tuple[str, str], Callable[..., Answer]] = {
    ("ncnn", "fp16"): open_ncnn,
    ("ncnn", "bf16"): partial(open_ncnn, bf16=True),
    ("litert", "int8"): open_litert,
}
"""By the names of engine and form. Each takes the folder of the form, a number of threads and ``pixel_zero``."""
