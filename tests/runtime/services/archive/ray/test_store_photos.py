"""Photos in a store: a real server with the interface of S3 on this machine."""

import sys
from collections import Counter
from typing import Any

import pytest

from runtime.errors import FlowerError, MissingPhotoError, PhotoError, TruncatedPhotoError, UnreadableError
from runtime.photos.finding.excluded import Excluded
from runtime.photos.limits import MAX_BYTES
from runtime.services.archive.sources import store_photos
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.store_photos import is_store_address, list_store, read_store_photo
from tests.runtime.services.archive.ray.samples import BUCKET, SECRET, picture


def put(store: Any, *keys: str, content: bytes = b"content") -> None:
    for key in keys:
        store.put_object(Bucket=BUCKET, Key=key, Body=content)


def names(address: str, *patterns: str) -> list[str]:
    photos = list(list_store(address, Excluded(patterns)))
    assert all(photo.error is None for photo in photos), photos
    return [photo.name.removeprefix(f"s3://{BUCKET}/") for photo in photos]


def test_addresses_of_stores_are_known_from_paths() -> None:
    assert is_store_address("s3://garden/rose.jpg")
    assert not any(map(is_store_address, ("garden/rose.jpg", "/s3://garden", "https://garden/rose.jpg", "s3")))


def test_photos_of_a_folder_are_listed_in_order_with_size_and_time(store: Any) -> None:
    put(store, "2019/b.jpg", "2019/a.jpg", "2019/ä ?#%41.png", "2019/more/c.webp", "2019-old/x.jpg", "z.jpg")
    put(store, "2019/", "2019/notes.txt", "2019/.hidden/d.jpg", "2019/@eaDir/a.jpg")
    expected = ["2019/a.jpg", "2019/b.jpg", "2019/more/c.webp", "2019/ä ?#%41.png"]
    assert names(f"s3://{BUCKET}/2019/") == names(f"s3://{BUCKET}/2019") == expected
    assert names(f"s3://{BUCKET}/2019", "more", "a.*") == ["2019/b.jpg", "2019/ä ?#%41.png"]
    assert len(names(f"s3://{BUCKET}")) == 6
    photo = next(iter(list_store(f"s3://{BUCKET}/2019")))
    modified = store.head_object(Bucket=BUCKET, Key="2019/a.jpg")["LastModified"]
    assert (photo.size, photo.modified_ns) == (7, int(modified.timestamp()) * 10**9)


def test_the_address_of_an_object_is_that_photo(store: Any) -> None:
    put(store, "a.jpg", "a.jpg.png", "a.jpg/b.jpg")
    (photo,) = list_store(f"s3://{BUCKET}/a.jpg")
    assert photo == next(iter(list_store(f"s3://{BUCKET}")))


def test_a_listing_is_read_page_by_page(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_photos, "_client", None)
    put(store, *(f"{number:02}.jpg" for number in range(5)))
    client, pages = store_photos._s3(), []
    client.meta.events.register("before-call.s3.ListObjectsV2", lambda params, **_: pages.append(params))
    client.meta.events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2})
    photos = list_store(f"s3://{BUCKET}/")
    assert [next(photos).name[-6:] for _ in range(2)] == ["00.jpg", "01.jpg"]
    assert len(pages) == 1
    assert [photo.name[-6:] for photo in photos] == ["02.jpg", "03.jpg", "04.jpg"]
    assert len(pages) == 3


def test_what_is_left_out_is_counted_or_said(store: Any) -> None:
    put(store, "a.cr2", "b.CR2", "c.jpg", "d.tar")
    left_out: Counter[str] = Counter()
    photo, tar = list_store(f"s3://{BUCKET}", left_out=left_out)
    assert (photo.name, left_out) == (f"s3://{BUCKET}/c.jpg", {".cr2": 2})
    assert str(tar.error) == f"s3://{BUCKET}/d.tar: a tar file is read from a disk; copy it there"


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        (f"s3://{BUCKET}/nothing", PhotoError, "no photo, and no photos below it"),
        ("s3://no-such-bucket/a.jpg", MissingPhotoError, "no such bucket"),
        ("s3://no-such-bucket", MissingPhotoError, "no such bucket"),
        ("s3:///a.jpg", PhotoError, "no address of a store"),
        (f"s3://{BUCKET}/\udcff.jpg", PhotoError, "no address of a store"),
    ],
)
def test_what_cannot_be_listed_is_a_photo_with_an_error(
    store: Any, address: str, kind: type[PhotoError], message: str
) -> None:
    (photo,) = list_store(address)
    assert type(photo.error) is kind
    assert message in str(photo.error)
    assert photo.name == address


def test_the_bytes_of_a_photo_are_read(store: Any) -> None:
    put(store, "rose ?#.png", content=picture((250, 20, 10)))
    (photo,) = list_store(f"s3://{BUCKET}")
    assert read_store_photo(photo) == picture((250, 20, 10))


def test_what_cannot_be_read_is_an_error_of_its_kind(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "empty.jpg", content=b"")
    put(store, "large.jpg", content=b"12345")
    monkeypatch.setattr(store_photos, "MAX_BYTES", 4)
    with pytest.raises(TruncatedPhotoError, match="the file is empty"):
        read_store_photo(ArchivePhoto(f"s3://{BUCKET}/empty.jpg"))
    for listed_size in (0, 5):
        with pytest.raises(PhotoError, match="larger than"):
            read_store_photo(ArchivePhoto(f"s3://{BUCKET}/large.jpg", size=listed_size))
    with pytest.raises(MissingPhotoError, match="no such object"):
        read_store_photo(ArchivePhoto(f"s3://{BUCKET}/gone.jpg"))
    with pytest.raises(PhotoError, match="larger than"):
        read_store_photo(ArchivePhoto(f"s3://{BUCKET}/gone.jpg", size=MAX_BYTES + 1))


def test_a_store_that_cannot_be_reached_may_work_later_and_nothing_secret_is_said(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:9/")
    monkeypatch.setattr(store_photos, "_client", None)
    monkeypatch.setattr(store_photos, "ATTEMPTS", 1)
    with pytest.raises(UnreadableError, match=r"cannot be read \(\w+Error\)$") as raised:
        read_store_photo(ArchivePhoto(f"s3://{BUCKET}/a.jpg"))
    (photo,) = list_store(f"s3://{BUCKET}/a.jpg")
    for error in (raised.value, photo.error):
        assert error is not None
        assert error.passing
        assert SECRET not in str(error)


def test_a_missing_boto3_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_photos, "_client", None)
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(FlowerError, match=r"photos in a store need boto3; run: .*\[s3\]"):
        list(list_store(f"s3://{BUCKET}"))
