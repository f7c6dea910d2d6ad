"""A store: a server with the interface of S3 on this machine."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.services.archive.sources import store_photos
from tests.runtime.services.archive.ray.samples import BUCKET, SECRET


@pytest.fixture(scope="module")
def store_of_module() -> Iterator[Any]:
    """boto3's client of a store, to which the environment leads."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        patch.setattr(store_photos, "_client", None)
        yield boto3.session.Session().client("s3")
    server.stop()


@pytest.fixture
def store(store_of_module: Any) -> Any:
    """boto3's client of the store, which has one empty bucket."""
    reset = urllib.request.Request(f"{store_of_module.meta.endpoint_url}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    store_of_module.create_bucket(Bucket=BUCKET)
    return store_of_module
