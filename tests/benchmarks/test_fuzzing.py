"""Malformed photos and model files end in an answer or a clear error. The suite ``runtime`` runs many more."""

from pathlib import Path

import pytest

from benchmarks.fuzzing.driver import MEMORY_LIMIT, fuzz
from benchmarks.fuzzing.malformed_inputs import CRAFTED_PHOTOS, damaged, valid_photos
from runtime.photos.formats import FORMATS
from runtime.photos.open_photo import open_photo
from tests.samples.tiny_model import save_tiny_model

SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"PNG", "WEBP": b"WEBP", "GIF": b"GIF8", "TIFF": b"*\0", "BMP": b"BM",
              "AVIF": b"avif", "HEIF": b"heic"}  # fmt: skip


@pytest.mark.parametrize(("kind", "count"), [("photo", 300), ("model", 200), ("crafted", len(CRAFTED_PHOTOS))])
def test_malformed_inputs_cause_no_failures(kind: str, count: int, tmp_path: Path) -> None:
    more = [str(save_tiny_model(tmp_path / "valid.onnx"))] if kind == "model" else []
    result = fuzz(kind, count, more)
    assert result.failures == []
    assert result.stderr_lines == 0
    assert result.inputs == count
    assert result.rejected > count // 3
    assert result.peak_bytes < MEMORY_LIMIT


def test_a_worker_that_ends_early_is_a_failure_and_the_rest_goes_on() -> None:
    result = fuzz("model", 2, ["missing.onnx"])
    assert result.inputs == 2
    assert any(text.startswith("model 0: ended the process with status 1") for text in result.failures)
    assert any(text.startswith("model 1: ended the process with status 1") for text in result.failures)


def test_inputs_cover_all_formats_and_are_reproducible() -> None:
    valid = valid_photos()
    for content in valid:
        assert open_photo(content).mode == "RGB"
    assert set(FORMATS) == {name for name in FORMATS for content in valid if SIGNATURES[name] in content[:16]}
    assert damaged(7, valid) == damaged(7, valid) != damaged(7 + len(valid), valid)
