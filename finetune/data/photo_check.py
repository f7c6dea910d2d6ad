"""Reading all photographs before training, so that all damaged ones are found at once and not one in each run."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from finetune.data.split import DataError, Split
from runtime.errors import PhotoError
from runtime.inference.cpu_threads import cpu_threads
from runtime.photos.open_photo import open_photo

SHOWN = 20
"""Most photographs that are named in the message."""
SMALL_SIDE = 32
"""The data of a JPEG is read completely also if it is decoded at a small size, which is faster."""


def check_photographs(splits: Sequence[Split]) -> None:
    """Read and decode every photograph.

    Raises:
        DataError: some cannot be read; the message names them.
    """
    paths = [path for split in splits for path in split.paths]
    with ThreadPoolExecutor(cpu_threads()) as pool:
        results = tqdm(
            pool.map(_problem, paths),
            total=len(paths),
            desc="checking",
            unit="img",
            leave=False,
            disable=None,
        )
        problems = [problem for problem in results if problem is not None]
    if problems:
        more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        raise DataError(
            f"{len(problems):,} of {len(paths):,} photographs cannot be read: {'; '.join(problems[:SHOWN])}{more}. "
            "Remove them from the data set, or save them again as JPEG"
        )


def _problem(path: Path) -> str | None:
    try:
        open_photo(path, min_side=SMALL_SIDE)
    except PhotoError as error:
        return str(error)
    return None
