"""The JavaScript of the bundle's README, run with onnxruntime-node, answers as the bundle does."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.mobile.bundle_check import LABELS, BundleModel
from export.mobile.photo_graph import VERDICTS

MODULES = Path(__file__).parent / "javascript" / "node_modules"
RUN = """
import { readFileSync } from "node:fs";
import { Flowers } from "./flowers.mjs";

const [model, labels, pixels, width, height] = process.argv.slice(2);
const flowers = await Flowers.load(model, readFileSync(labels, "utf8"), 1);
console.log(JSON.stringify(await flowers.name(readFileSync(pixels), Number(width), Number(height))));
"""


@pytest.mark.parametrize(
    ("colour", "sentence"),
    [
        ((250, 20, 20), "red"),
        ((120, 118, 119), "Between red and blue"),
        ((40, 10, 10), "Not like any flower it knows"),
    ],
)
def test_the_class_names_a_photo(
    colour: tuple[int, int, int], sentence: str, app: Path, node: str, tmp_path: Path
) -> None:
    if not (MODULES / "onnxruntime-node").is_dir():
        pytest.skip(
            "onnxruntime-node is not installed; run: npm ci --ignore-scripts --prefix tests/export/mobile/javascript"
        )
    folder = app / "app"
    (block,) = re.findall(r"^```javascript\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)
    (tmp_path / "flowers.mjs").write_text(block)
    (tmp_path / "run.mjs").write_text(RUN)
    (tmp_path / "node_modules").symlink_to(MODULES)
    photo = np.full((40, 30, 3), colour, dtype=np.uint8)
    (tmp_path / "pixels").write_bytes(Image.fromarray(photo).convert("RGBA").tobytes())
    arguments = [str(path) for path in (folder / "flowers.ort", folder / LABELS, tmp_path / "pixels", 30, 40)]
    result = subprocess.run([node, str(tmp_path / "run.mjs"), *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    answer, expected = json.loads(result.stdout), BundleModel(folder / "flowers.ort")(photo)
    assert answer["sentence"] == sentence
    assert VERDICTS[answer["verdict"]] == expected.verdict
    assert answer["names"] == expected.names
    assert answer["probabilities"] == pytest.approx(expected.probabilities.tolist(), abs=1e-5)
