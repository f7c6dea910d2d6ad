"""TODO from finetune.batches.augmentation."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.data.split import DataError
from runtime.errors import PhotoError
from runtime.photos.open_photo import open_photo
from runtime.photos.preprocessing import Preprocessing


@contextmanager
def _data_errors() -> Iterator[None]:
    """A photo that cannot be read is a fault of the data set."""
    try:
        yield
    except PhotoError as error:
        raise DataError(f"{error}; restore this file of the data set") from None


def read_photo(path: Path, *, least_side: int | None = None) -> Image.Image:
    """A photograph of the data set; a `DataError` names it if it cannot be read."""
    with _data_errors():
        return open_photo(path, least_side=least_side)


def photo_batches(
    paths: Sequence[Path], preprocessing: Preprocessing, batch_size: int, *, threads: int = 2
) -> Iterator[np.ndarray]:
    """Preprocessed photographs in order, as uint8 arrays of shape (up to batch_size, size, size, 3).

    Decoding runs in threads, at most one batch ahead, so memory stays flat however many photographs there are.
    """

    def load(path: Path) -> np.ndarray:
        with _data_errors():
            return preprocessing(path)

    remaining = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(load, path) for path in islice(remaining, batch_size)]
        while ahead:
            current, ahead = ahead, [pool.submit(load, path) for path in islice(remaining, batch_size)]
            yield np.stack([future.result() for future in current])
