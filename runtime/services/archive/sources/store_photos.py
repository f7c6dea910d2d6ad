"""Photos in a store with the interface of Amazon S3: listing them and reading them through boto3.

Credentials, region and endpoint come from where all programs for S3 have them: the environment (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, …), ``~/.aws``, or the machine. Messages contain neither them nor the endpoint.

boto3 lists an archive in pages of 1,000 objects. ``pyarrow.fs`` returns all objects of a folder at once.
Source: Amazon S3 API reference, ListObjectsV2: keys come in the order of their UTF-8 bytes.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from runtime.distribution import install_command
from runtime.errors import FlowerError, MissingPhotoError, PhotoError, UnreadableError
from runtime.photos.finding.excluded import NOTHING_EXCLUDED, Excluded
from runtime.photos.finding.left_out import OTHER_PICTURES, is_never_photo, suffix_of
from runtime.photos.finding.tar_members import is_tar
from runtime.photos.formats import SUFFIXES
from runtime.photos.limits import MAX_BYTES
from runtime.photos.reading import SHOWN, empty_file, not_enough_memory, too_large
from runtime.services.archive.sources.photo import ArchivePhoto

SCHEME = "s3://"
TIMEOUT_S = 20
"""Longest time to wait for a connection, and for the next bytes."""
ATTEMPTS = 5
"""Requests until an error that may pass counts, with pauses between them."""
CONNECTIONS = 32
"""Most connections of a process."""
MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
"""Codes of errors that say that there is no such object or bucket."""

_lock = threading.Lock()
_client: Any = None
"""Of this process. Threads share it."""


def is_store_address(name: str) -> bool:
    """Return whether ``name`` is the address of an object or folder in a store: ``s3://bucket/folder/photo.jpg``."""
    return name.startswith(SCHEME)


def list_store(
    address: str, excluded: Excluded = NOTHING_EXCLUDED, left_out: Counter[str] | None = None
) -> Iterator[ArchivePhoto]:
    """Yield the photo at an address, or the photos below it by suffix, in the order of the bytes of their names.

    Objects are skipped as `runtime.photos.finding.listing.photos_below` skips files. The memory that this takes does
    not depend on their number. What goes wrong is an `ArchivePhoto` with an error.

    Args:
        address: of an object or a folder; ``s3://bucket`` is everything in a bucket. One with a slash at its end is
            that of a folder.
        excluded: is compared with the path below ``address``. An object that has the address is always taken.
        left_out: pictures whose format is not read are counted here by suffix.

    Raises:
        FlowerError: boto3 is not installed.
    """
    client = _s3()
    bucket, key = _parts(address)
    empty = True
    try:
        if key and not key.endswith("/"):
            if (found := _head(client, bucket, key)) is not None:
                yield _photo(address, found["ContentLength"], found["LastModified"])
                return
            key += "/"
        for entry in _entries(client, bucket, key):
            if (photo := _photo_below(f"{SCHEME}{bucket}/", key, entry, excluded, left_out)) is not None:
                empty = False
                yield photo
    except _errors() as error:
        yield ArchivePhoto(address, error=_photo_error(address, error))
        return
    if empty:
        but = " that are not excluded" if excluded else ""
        message = f"{address}: no photo, and no photos below it{but} ({', '.join(sorted(SUFFIXES))})"
        yield ArchivePhoto(address, error=PhotoError(message))


def read_store_photo(photo: ArchivePhoto) -> bytes:
    """Return the bytes of a photo in a store.

    Args:
        photo: one without an error, whose name is an address.

    Raises:
        MissingPhotoError: there is no such object.
        PhotoError: it is larger than `MAX_BYTES`.
        TruncatedPhotoError: there are no bytes.
        UnreadableError: the store cannot be reached, or does not give it.
        FlowerError: boto3 is not installed.
    """
    client = _s3()
    bucket, key = _parts(photo.name)
    content, size = b"", photo.size
    try:
        if size <= MAX_BYTES:
            answer = client.get_object(Bucket=bucket, Key=key)
            with answer["Body"] as body:
                content = body.read(MAX_BYTES + 1)
            size = answer.get("ContentLength", len(content))
    except _errors() as error:
        raise _photo_error(photo.name, error) from None
    except MemoryError:
        raise not_enough_memory(photo.name) from None
    if max(size, len(content)) > MAX_BYTES:
        raise too_large(photo.name)
    if len(content) < size:
        raise UnreadableError(f"{photo.name}: cannot be read (the connection ended early)")
    if not content:
        raise empty_file(photo.name)
    return content


def _s3() -> Any:
    """Return boto3's client for S3.

    Raises:
        FlowerError: boto3 is not installed, or its settings are wrong.
    """
    global _client
    with _lock:
        if _client is None:
            try:
                from boto3.session import Session
                from botocore.config import Config
                from botocore.exceptions import BotoCoreError
            except ImportError:
                raise FlowerError(f"photos in a store need boto3; run: {install_command('s3')}") from None
            config = Config(
                connect_timeout=TIMEOUT_S,
                read_timeout=TIMEOUT_S,
                retries={"mode": "standard", "max_attempts": ATTEMPTS},
                max_pool_connections=CONNECTIONS,
            )
            try:
                _client = Session().client("s3", config=config)
            except (BotoCoreError, ValueError) as error:
                raise FlowerError(
                    f"S3 cannot be used ({type(error).__name__}); check AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL"
                ) from None
    return _client


def _errors() -> tuple[type[Exception], ...]:
    """Return what boto3 raises when a store does not answer as it should."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, OSError, ValueError


def _photo_error(address: str, error: Exception) -> PhotoError:
    """Return the error of a photo or folder. boto3's own messages may contain the endpoint."""
    code = _code(error)
    if code == "NoSuchBucket":
        return MissingPhotoError(f"{address}: no such bucket")
    if code in MISSING:
        return MissingPhotoError(f"{address}: no such object")
    if code == "ParamValidationError" or isinstance(error, ValueError):
        return PhotoError(f"{address[:SHOWN]}: no address of a store, which is like {SCHEME}bucket/folder/photo.jpg")
    return UnreadableError(f"{address}: cannot be read ({code})")


def _code(error: Exception) -> str:
    """Return the store's code of an error, such as ``AccessDenied``, or the name of boto3's class."""
    response = getattr(error, "response", None)
    details = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(details.get("Code") or type(error).__name__)[:80]


def _parts(address: str) -> tuple[str, str]:
    """Return bucket and key. A key may contain every character, also those that separate parts of an address."""
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    return bucket, key


def _head(client: Any, bucket: str, key: str) -> dict[str, Any] | None:
    """Return what the store says about an object, or None if there is none that this user may see."""
    from botocore.exceptions import ClientError

    try:
        head: dict[str, Any] = client.head_object(Bucket=bucket, Key=key)
        return head
    except ClientError as error:
        # Without the right to list, a store says 403 for what does not exist. The listing then says what is wrong.
        if _code(error) in (*MISSING, "403"):
            return None
        raise


def _entries(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", ())


def _photo_below(
    root: str, prefix: str, entry: dict[str, Any], excluded: Excluded, left_out: Counter[str] | None
) -> ArchivePhoto | None:
    """Return the photo of an entry in a listing, or None if it is none, or left out."""
    key: str = entry["Key"]
    path = key.removeprefix(prefix)
    suffix = suffix_of(key)
    if key.endswith("/") or any(is_never_photo(part) for part in path.split("/")) or excluded.matches(path):
        return None
    if suffix in SUFFIXES:
        return _photo(root + key, entry["Size"], entry["LastModified"])
    if is_tar(key):
        return ArchivePhoto(root + key, error=PhotoError(f"{root}{key}: a tar file is read from a disk; copy it there"))
    if suffix in OTHER_PICTURES and left_out is not None:
        left_out[suffix] += 1
    return None


def _photo(address: str, size: int, modified: datetime) -> ArchivePhoto:
    # A listing may have fractions of a second; what a store says about one object has none.
    return ArchivePhoto(address, size=size, modified_ns=int(modified.timestamp()) * 10**9)
