"""Reading the photographs of a data set, one by one or as preprocessed batches without augmentation."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.data.split import DataError
from runtime.errors import PhotoError
from runtime.inference.cpu_threads import cpu_threads
from runtime.photos.open_photo import open_photo
from runtime.photos.preprocessing import Preprocessing


@contextmanager
def _photo_errors_as_data_errors() -> Iterator[None]:
    """Turn a `PhotoError` into a `DataError`, because the photograph belongs to the data set."""
    try:
        yield
    except PhotoError as error:
        raise DataError(f"{error}; remove it from the data set, or restore it") from None


def read_photo(path: Path, *, min_side: int | None = None) -> Image.Image:
    """Read one photograph of the data set.

    Args:
        path: of the photograph.
        min_side: the shorter side that is needed, pixels; a JPEG may be decoded at a reduced size above it.

    Returns:
        An upright RGB image.

    Raises:
        DataError: the photograph cannot be read; the message names it.
    """
    with _photo_errors_as_data_errors():
        return open_photo(path, min_side=min_side)


def photo_batches(paths: Sequence[Path], preprocessing: Preprocessing, batch_size: int) -> Iterator[np.ndarray]:
    """Yield preprocessed photographs in order, as uint8 arrays of shape (up to batch_size, size, size, 3).

    Threads decode at most one batch in advance, so memory does not grow with the number of photographs.

    Raises:
        DataError: a photograph cannot be read.
    """

    def load(path: Path) -> np.ndarray:
        with _photo_errors_as_data_errors():
            return preprocessing(path)

    remaining = iter(paths)
    with ThreadPoolExecutor(cpu_threads()) as pool:
        following = [pool.submit(load, path) for path in islice(remaining, batch_size)]
        while following:
            current, following = following, [pool.submit(load, path) for path in islice(remaining, batch_size)]
            yield np.stack([future.result() for future in current])
