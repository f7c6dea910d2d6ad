"""Reading all photographs before training, so that all damaged ones are found at once and not one in each run.

Copies are found as well: one photograph in two splits, or in two classes.
"""

from collections.abc import Iterator, Sequence
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
        shown = "; ".join(map(str, problems[:SHOWN]))
        # A good photograph may be unreadable for a moment, or need a package.
        if all(problem.passing for problem in problems):
            advice = "Change what prevents it, and train again"
        elif any(problem.passing for problem in problems):
            advice = "Remove the damaged ones from the data set, or save them again as JPEG"
        else:
            advice = "Remove them from the data set, or save them again as JPEG"
        raise DataError(f"{len(problems):,} of {len(paths):,} photographs cannot be read: {shown}{more}. {advice}")


def copies(splits: Sequence[Split]) -> Iterator[str]:
    """Yield lines about photographs, the same to the byte, that are in two splits or in two classes.

    Raises:
        DataError: a photograph cannot be read.
    """
    first: dict[str, tuple[Split, int]] = {}
    in_classes: list[str] = []
    for split in splits:
        in_split: list[str] = []
        for index, fingerprint in enumerate(split.fingerprints()):
            other, place = first.setdefault(fingerprint, (split, index))
            pair = f"{other.paths[place]} and {split.paths[index]}"
            if other is not split:
                in_split.append(pair)
            if other.labels[place] != split.labels[index]:
                in_classes.append(pair)
        if in_split:
            yield (
                f"{len(in_split):,} photographs of {split.name} are copies of photographs of another split, for "
                f"example {in_split[0]}: accuracy on them is too high; remove them"
            )
    if in_classes:
        yield f"{len(in_classes):,} photographs are in two classes, for example {in_classes[0]}; remove one of each"


def _problem(path: Path) -> PhotoError | None:
    try:
        open_photo(path, min_side=SMALL_SIDE)
    except PhotoError as error:
        return error
    return None
