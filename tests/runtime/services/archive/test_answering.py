"""From photos of an archive to rows."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, MissingPhotoError
from runtime.services.archive import answering
from runtime.services.archive.answer_index import AnswerIndex
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.fingerprint import fingerprint
from runtime.services.archive.row import COLUMNS, Row
from runtime.services.archive.sources.photo import ArchivePhoto
from tests.samples.tiny_model import save_tiny_model


@pytest.fixture
def settings(tmp_path: Path) -> AnswerSettings:
    model = save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True)
    return AnswerSettings(model=str(model), digest="0123456789abcdef", top=2)


def archive_photo(path: Path) -> ArchivePhoto:
    return ArchivePhoto(str(path), size=path.stat().st_size, modified_ns=path.stat().st_mtime_ns)


@pytest.fixture
def red(tmp_path: Path) -> ArchivePhoto:
    path = tmp_path / "red.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:05:01 12:33:10"
    Image.new("RGB", (30, 20), (250, 20, 10)).save(path, exif=exif)
    return archive_photo(path)


def test_a_row_says_what_the_classifier_says(settings: AnswerSettings, red: ArchivePhoto) -> None:
    (row,) = Answerer(settings).answer([red])
    answer = FlowerClassifier(settings.model).predict(red.name, top=2)
    assert (row.verdict, row.label, row.probability) == (answer.verdict, "red", round(answer.best.probability, 6))
    assert row.predictions is not None
    assert [each["label"] for each in row.predictions] == [each.label for each in answer]
    assert row.familiarity == pytest.approx(answer.familiarity, abs=1e-6)
    assert (row.photo, row.size, row.modified_ns) == (red.name, red.size, red.modified_ns)
    assert row.sha256 == hashlib.sha256(Path(red.name).read_bytes()).hexdigest()
    assert row.taken == "2026-05-01T12:33:10"
    assert row.latitude is None, "a place is given only if it is asked for"
    assert row.settings == settings.digest
    assert tuple(row.to_dict()) == tuple(COLUMNS)
    assert Row.from_dict(row.to_dict()) == row


def test_errors_are_rows_with_a_kind_and_without_the_name(settings: AnswerSettings, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"no picture")
    gone = str(tmp_path / "gone.jpg")
    never_there = ArchivePhoto(gone, error=MissingPhotoError(f"{gone}: no such file"))
    rows = Answerer(settings).answer([archive_photo(damaged), ArchivePhoto(gone, size=5), never_there])
    assert [(row.error_kind, row.passing, row.verdict) for row in rows] == [
        ("damaged", False, None),
        ("missing", True, None),
        ("missing", False, None),
    ]
    assert all(str(tmp_path) not in (row.error or "") for row in rows)
    assert rows[1].error == "no such file"


def test_photos_with_the_same_bytes_are_answered_once(
    settings: AnswerSettings, red: ArchivePhoto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(Path(red.name).read_bytes())
    answered = []

    def count(pixels: np.ndarray) -> str:
        answered.append(pixels)
        return fingerprint(pixels)

    monkeypatch.setattr(answering, "fingerprint", count)
    first, second = Answerer(settings).answer([red, archive_photo(copy)])
    assert len(answered) == 1
    assert second == replace(first, photo=str(copy), modified_ns=copy.stat().st_mtime_ns)
    index = AnswerIndex(tmp_path / "index.sqlite")
    index.add([first])
    (other_process,) = Answerer(replace(settings, index=str(index.path))).answer([archive_photo(copy)])
    assert (other_process, len(answered)) == (second, 1)
    other = replace(settings, index=str(index.path), digest="other settings")
    assert Answerer(other).answer([red])[0].settings == "other settings"
    assert len(answered) == 2, "an answer of other settings does not count"


def test_a_missing_package_ends_the_run_and_is_no_fault_of_a_photo(
    settings: AnswerSettings, red: ArchivePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: ArchivePhoto) -> bytes:
        raise FlowerError("photos in a store need boto3")

    monkeypatch.setattr(answering, "read_archive_photo", fail)
    with pytest.raises(FlowerError, match="boto3"):
        Answerer(settings).answer([red])


def test_no_photos_have_no_rows(settings: AnswerSettings) -> None:
    assert Answerer(settings).answer([]) == []


def test_a_time_beyond_the_table_is_its_last(settings: AnswerSettings, red: ArchivePhoto) -> None:
    (row,) = Answerer(settings).answer([replace(red, modified_ns=2**70)])
    assert row.modified_ns == 2**63 - 1


def test_an_unexpected_error_of_one_photo_does_not_end_the_run(
    settings: AnswerSettings, red: ArchivePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: np.ndarray) -> str:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(answering, "fingerprint", fail)
    (row,) = Answerer(settings).answer([red])
    assert (row.error, row.error_kind) == ("ZeroDivisionError: division by zero", "unexpected")
    assert row.passing, "it is tried again: the next version may know better"


def test_fingerprints_survive_compression_and_brightness_and_tell_pictures_apart() -> None:
    noise = np.random.default_rng(0)
    picture, other = (
        np.asarray(Image.fromarray(noise.integers(40, 200, (6, 6, 3), np.uint8)).resize((64, 64))) for _ in range(2)
    )
    brighter = np.asarray(Image.fromarray(picture).resize((48, 48)).point(lambda value: value * 1.2))

    def distance(one: np.ndarray, another: np.ndarray) -> int:
        return (int(fingerprint(one), 16) ^ int(fingerprint(another), 16)).bit_count()

    assert distance(picture, brighter) <= 3
    assert distance(picture, other) > 12
    ramp = np.repeat(np.arange(0, 252, 4, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2).repeat(8, axis=0)
    assert fingerprint(ramp) == "ff" * 8
    assert fingerprint(ramp[:, ::-1]) == "00" * 8
