"""Malformed photos and model files: nothing but a clear error comes out. The long run is ``benchmarks runtime``."""

from pathlib import Path

import pytest

from benchmarks.fuzzing.driver import MEMORY, fuzz
from benchmarks.fuzzing.malformed_inputs import HOSTILE, malformed, sound_photos
from runtime.photos.formats import FORMATS
from runtime.photos.open_photo import open_photo
from tests.samples.tiny_model import save_tiny_model


@pytest.mark.parametrize(("kind", "count"), [("photo", 300), ("model", 200), ("hostile", len(HOSTILE))])
def test_malformed_inputs(kind: str, count: int, tmp_path: Path) -> None:
    more = [str(save_tiny_model(tmp_path / "sound.onnx"))] if kind == "model" else []
    verdict = fuzz(kind, count, more)
    assert verdict.bad == []
    assert verdict.noise == 0
    assert verdict.inputs == count
    assert verdict.refused > count // 3
    assert verdict.peak_bytes < MEMORY


def test_the_inputs_cover_all_formats_and_are_known_by_their_number() -> None:
    sound = sound_photos()
    for content in sound:
        assert open_photo(content).mode == "RGB"
    found = {name for name in FORMATS for content in sound if SIGNS[name] in content[:16]}
    assert found == set(FORMATS)
    assert malformed(7, sound) == malformed(7, sound) != malformed(7 + len(sound), sound)


SIGNS = {"JPEG": b"\xff\xd8\xff", "PNG": b"PNG", "WEBP": b"WEBP", "GIF": b"GIF8", "TIFF": b"*\0", "BMP": b"BM",
         "AVIF": b"avif"}  # fmt: skip
