"""A data set for the tests: small drawn flowers in Oxford's exact layout, with real ``.mat`` files and JPEGs.

Every class has its own colour and number of petals, so that a network can distinguish them. Every picture has its own
background, position and size, so that a network cannot succeed by memorizing pictures.
"""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = ("crimson", "gold", "orchid", "white", "darkorange", "slateblue", "hotpink", "khaki")


def draw_dataset(
    root: Path,
    *,
    classes: int = 4,
    per_split: tuple[int, int, int] = (6, 3, 3),
    side: int = 96,
    three_files: bool = False,
) -> Path:
    """Draw a data set at ``root/flowers-102`` and return ``root``, which is what ``--data`` takes.

    Args:
        root: an existing folder.
        classes: number of species, at most 8.
        per_split: pictures a class in train, val and test.
        side: shorter side of the pictures, pixels.
        three_files: write ``trnid.mat``, ``valid.mat`` and ``tstid.mat`` instead of ``setid.mat``.
    """
    from scipy.io import savemat

    folder = root / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    random = np.random.default_rng(0)
    labels: list[int] = []
    splits: dict[str, list[int]] = {"trnid": [], "valid": [], "tstid": []}
    for label in range(1, classes + 1):
        for name, count in zip(splits, per_split, strict=True):
            for _ in range(count):
                labels.append(label)
                number = len(labels)
                splits[name].append(number)
                draw_flower(label - 1, random, side).save(folder / "jpg" / f"image_{number:05d}.jpg", quality=90)
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    if three_files:
        for name, ids in splits.items():
            savemat(folder / f"{name}.mat", {name: np.array([ids], dtype=np.uint16)})
    else:
        savemat(folder / "setid.mat", {name: np.array([ids], dtype=np.uint16) for name, ids in splits.items()})
    return root


def draw_flower(kind: int, random: np.random.Generator, side: int) -> Image.Image:
    """Draw one picture: a flower of ``kind`` (0 to 7) on a green background."""
    width, height = side + int(random.integers(0, side // 3)), side
    noise = random.integers(0, 60, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    noise[..., 1] += 70
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    centre_x, centre_y = width * random.uniform(0.45, 0.55), height * random.uniform(0.45, 0.55)
    petals, reach = 4 + kind, side * random.uniform(0.2, 0.28)
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals + random.uniform(-0.1, 0.1)
        x, y = centre_x + reach * math.cos(angle), centre_y + reach * math.sin(angle)
        radius = reach * 2.2 / math.sqrt(petals)
        draw.ellipse(
            (x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2), fill=COLOURS[kind], outline="black"
        )
    core = reach / 2
    draw.ellipse((centre_x - core, centre_y - core, centre_x + core, centre_y + core), fill="saddlebrown")
    return image
