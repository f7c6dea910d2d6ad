"""What is at a path that holds no data set, so that the user sees what to change."""

from collections import Counter
from pathlib import Path

from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.photos.finding.left_out import is_never_photo, left_out_message
from runtime.photos.finding.listing import photos_below

OXFORD_FOLDER = "flowers-102"
"""In the folder of the data set, as torchvision names it."""

PLACES = {
    1: "{count:,} photographs directly in it; put each into a folder that is named after its class",
    3: "{count:,} photographs two folders deep; name the folder above the class folders",
}
"""Names in the path of a photograph → what is said about such photographs. Deeper ones are said as for 3."""


def holds_other_files(folder: Path) -> bool:
    """Return whether there is something in ``folder`` that no download of Oxford 102 Flowers put there."""
    return folder.exists() and (
        not folder.is_dir()
        or any(path.name != OXFORD_FOLDER and not is_never_photo(path.name) for path in folder.iterdir())
    )


def no_data_set_message(data: Path) -> str:
    """Return one line: that there is no data set at ``data``, what is there instead, and what to do."""
    download = f"; or download Oxford 102 Flowers there with: {module_command('finetune')} --data {data} --download"
    if not data.exists():
        return f"{data}: no such folder; check the name{download}"
    if not data.is_dir():
        return f"{data}: is a file, not the folder of a data set"
    for folder in (data, data / OXFORD_FOLDER):
        if (folder / "jpg").is_dir():
            return f"{folder}: no Oxford 102 Flowers here: imagelabels.mat is missing beside jpg; download it again"
    depths: Counter[int] = Counter()
    left_out: Counter[str] = Counter()
    for name, photo in photos_below(str(data), left_out):
        if not isinstance(photo, FlowerError):
            depths[min(3, len(Path(name).relative_to(data).parts))] += 1
    found = [PLACES[depth].format(count=count) for depth, count in sorted(depths.items()) if depth in PLACES]
    if left_out:
        found.append(left_out_message(left_out))
    if not found:
        return (
            f"{data}: no data set, and no photographs; they belong into folders with the names of their classes, "
            f"as {data / 'CLASS'}{download}"
        )
    return f"{data}: no data set, but {' and '.join(found)}{download}"
