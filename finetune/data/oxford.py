"""Oxford 102 Flowers on disk: ``jpg/image_XXXXX.jpg``, ``imagelabels.mat`` and the official splits.

Source: M-E. Nilsback and A. Zisserman, "Automated Flower Classification over a Large Number of Classes", ICVGIP 2008,
https://www.robots.ox.ac.uk/~vgg/data/flowers/102/. The splits are in ``setid.mat`` (variables ``trnid``, ``valid``,
``tstid``) or in three files ``trnid.mat``, ``valid.mat``, ``tstid.mat``. Numbers in these files count from 1.

A copy with only some images of a split lists them in ``<split>-sample.txt`` (image names, one per line); the split then
consists of these images. Images that are missing without such a list are an error, so no image is skipped silently.
"""

import math
from pathlib import Path

import numpy as np

from finetune.data.split import DataError, Split

SPLIT_VARIABLES = {"train": "trnid", "val": "valid", "test": "tstid"}
"""Name of a split, as in torchvision → name of its variable in Oxford's files."""

_NAMES = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid, bird
of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris, globe-flower,
purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower, fritillary, red
ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, sweet william, carnation,
garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya, cape flower, great masterwort,
siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia, bolero deep blue, wallflower, marigold,
buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower, pelargonium, bishop of llandaff,
gaura, geranium, orange dahlia, pink-yellow dahlia, cautleya spicata, japanese anemone, black-eyed susan, silverbush,
californian poppy, osteospermum, spring crocus, bearded iris, windflower, tree poppy, gazania, azalea, water lily,
rose, thorn apple, morning glory, passion flower, lotus, toad lily, anthurium, frangipani, clematis, hibiscus,
columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress, canna lily, hippeastrum, bee balm, ball moss,
foxglove, bougainvillea, camellia, mallow, mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""
CLASSES = tuple(" ".join(_NAMES.split()).split(", "))
"""The 102 species in the order of the labels. They are those of torchvision's list, which gives one a question mark."""

MAX_MAT_BYTES = 64 * 1024
"""The official files have 502 and 14,989 bytes; a much larger file is a different one."""

MAX_MAT_NUMBERS = 1_000_000
"""A compressed file of `MAX_MAT_BYTES` could still expand to gigabytes, so its numbers are limited, too."""


def find_oxford_folder(data: Path) -> Path | None:
    """Return the folder with ``imagelabels.mat``: ``data``, or ``data/flowers-102`` as torchvision names it."""
    for folder in (data, data / "flowers-102"):
        if (folder / "imagelabels.mat").is_file() and (folder / "jpg").is_dir():
            return folder
    return None


def read_oxford(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) from the data set at or below ``data``.

    Raises:
        DataError: no data set there, damaged or contradictory files, or images missing.
    """
    folder = find_oxford_folder(data)
    if folder is None:
        raise DataError(f"{data}: no Oxford 102 Flowers here (imagelabels.mat and a folder jpg)")
    labels = _read_labels(folder / "imagelabels.mat")
    splits = _read_splits(folder, len(labels))
    ids = splits[name]
    official_size = len(ids)
    sample = folder / f"{name}-sample.txt"
    if sample.is_file():
        listed = _read_sample(sample, {_image_name(number) for number in ids})
        ids = np.array([number for number in ids if _image_name(number) in listed], dtype=np.int64)
    present = {path.name for path in (folder / "jpg").iterdir()}
    missing = [_image_name(number) for number in ids if _image_name(number) not in present]
    if missing:
        raise DataError(
            f"{folder / 'jpg'}: {len(missing):,} of the {len(ids):,} {name} images are missing, for example "
            f"{missing[0]}; unpack 102flowers.tgz again, or list the images you have in {sample}"
        )
    return Split(
        name,
        tuple(folder / "jpg" / _image_name(number) for number in ids),
        labels[ids - 1] - 1,
        CLASSES[: int(labels.max())],
        official_size,
    )


def _read_sample(path: Path, names: set[str]) -> set[str]:
    """Return the names of images that a sample list holds, each of them one of ``names``."""
    listed: set[str] = set()
    try:
        # Windows writes a byte order mark at the beginning, which utf-8-sig removes.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8; save it as UTF-8, one image name per line") from None
    for number, line in enumerate(lines, 1):
        for name in line.split():
            if name not in names or name in listed:
                problem = "twice" if name in listed else "which is no image of this split"
                raise DataError(f"{path}: line {number} lists {name!r}, {problem}; correct or remove this line")
            listed.add(name)
    if not listed:
        raise DataError(f"{path}: lists no image of this split; remove it, or list image_XXXXX.jpg, one per line")
    return listed


def _image_name(number: int) -> str:
    return f"image_{number:05d}.jpg"


def _read_labels(path: Path) -> np.ndarray:
    labels = _read_integers(path, "labels")
    if labels.min() < 1 or labels.max() > len(CLASSES):
        raise DataError(
            f"{path}: labels must be 1 to {len(CLASSES)}, found {labels.min()} to {labels.max()}; download it again"
        )
    return labels


def _read_splits(folder: Path, images: int) -> dict[str, np.ndarray]:
    common_file = folder / "setid.mat"
    splits = {}
    for name, variable in SPLIT_VARIABLES.items():
        path = common_file if common_file.is_file() else folder / f"{variable}.mat"
        ids = _read_integers(path, variable)
        if ids.min() < 1:
            raise DataError(f"{path}: {variable} names image {ids.min()}, but images count from 1; download it again")
        if ids.max() > images:
            raise DataError(
                f"{path}: {variable} names image {ids.max()}, but imagelabels.mat has {images:,} images; "
                "the two files do not fit together; download both again"
            )
        if len(np.unique(ids)) != len(ids):
            raise DataError(f"{path}: {variable} names an image twice; download it again")
        splits[name] = ids
    _check_disjoint(splits, folder)
    return splits


def _check_disjoint(splits: dict[str, np.ndarray], folder: Path) -> None:
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = np.intersect1d(splits[one], splits[other])
        if len(shared):
            raise DataError(
                f"{folder}: image {shared[0]} is in both the {one} and the {other} split; "
                "accuracy on such splits is not valid; download the split files again"
            )


def _read_integers(path: Path, variable: str) -> np.ndarray:
    """Read one variable of a ``.mat`` file as a flat int64 array.

    A file with exactly one variable is accepted with any name of that variable.
    """
    try:
        # Imported here, because a check of a bundle on photographs in class folders needs no scipy.
        from scipy.io import loadmat, whosmat
    except ModuleNotFoundError:
        raise DataError(f"{path}: is read with scipy, which is not installed; run: pip install scipy") from None
    try:
        if not path.is_file():
            raise DataError(f"{path}: missing; download the data set again")
        if path.stat().st_size > MAX_MAT_BYTES:
            raise DataError(f"{path}: much larger than the official file; download it again")
        if any(math.prod(shape) > MAX_MAT_NUMBERS for _, shape, _ in whosmat(path)):
            raise DataError(f"{path}: has many more numbers than the official file; download it again")
        variables = loadmat(path)
    except DataError:
        raise
    # On damaged files, scipy raises many kinds of exceptions (ValueError, TypeError, KeyError, zlib.error, …).
    except Exception as error:
        raise DataError(f"{path}: not a readable .mat file ({error}); download it again") from None
    named = {key: value for key, value in variables.items() if not key.startswith("__")}
    values = named.get(variable, next(iter(named.values())) if len(named) == 1 else None)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or not values.size:
        raise DataError(f"{path}: has no numbers called {variable!r}; download it again")
    integers: np.ndarray = values.astype(np.int64).ravel()
    if not np.array_equal(integers, values.ravel()):
        raise DataError(f"{path}: {variable} must be whole numbers; download it again")
    return integers
