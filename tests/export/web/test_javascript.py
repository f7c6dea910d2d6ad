"""The page's JavaScript without a browser: ESLint, and the tests in ``javascript/`` with cases computed by Pillow."""

import base64
import io
import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime.photos.preprocessing import FILTERS

FOLDER = Path(__file__).parent / "javascript"


def test_eslint_reports_nothing(node: str) -> None:
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("ESLint is not installed; run: npm ci --prefix tests/export/web/javascript")
    npm = shutil.which("npm") or pytest.skip("npm is not installed")
    result = subprocess.run([npm, "run", "--silent", "lint"], cwd=FOLDER, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_scripts_pass_their_tests(node: str, tmp_path: Path) -> None:
    environment = os.environ.copy()
    for name, cases in (("RESAMPLING_CASES", resampling_cases()), ("REDUCTION_CASES", reduction_cases())):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(cases))
        environment[name] = str(path)
    result = subprocess.run([node, "--test"], cwd=FOLDER, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "# skipped 0" in result.stdout


def resampling_cases() -> list[dict[str, Any]]:
    """Noise, the part of it that is resampled (as in `Preprocessing.crop`), and what Pillow makes of it."""
    random = np.random.default_rng(0)
    cases = []
    for width, height, size, share, interpolation in (
        (300, 401, 96, 0.875, "bicubic"),
        (96, 96, 64, 1.0, "bicubic"),
        (40, 30, 64, 0.875, "bicubic"),
        (1, 1, 16, 1.0, "bicubic"),
        (233, 31, 64, 1.0, "bilinear"),
        (320, 167, 48, 0.77, "bilinear"),
    ):
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        side = min(width, height) * share
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        expected = image.resize((size, size), FILTERS[interpolation], box=box)
        cases.append(
            {
                "width": width,
                "height": height,
                "box": box,
                "size": size,
                "interpolation": interpolation,
                "rgba": base64.b64encode(image.convert("RGBA").tobytes()).decode(),
                "expected": base64.b64encode(expected.tobytes()).decode(),
            }
        )
    return cases


def reduction_cases() -> list[dict[str, int]]:
    """How much Pillow reduces JPEG files while it decodes them, as in `runtime.photos.open_photo`."""
    cases = []
    for width, height in ((511, 700), (512, 512), (1023, 1500), (1024, 1025), (2049, 3000), (4000, 3000), (4100, 5000)):
        file = io.BytesIO()
        Image.new("L", (width, height)).save(file, "JPEG")
        for minimum_side in (128, 512):
            scale = minimum_side / min(width, height)
            image = Image.open(file, formats=["JPEG"])
            image.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))
            cases.append(
                {
                    "width": width,
                    "height": height,
                    "minimum_side": minimum_side,
                    "reduction": round(width / image.width),
                }
            )
    return cases
