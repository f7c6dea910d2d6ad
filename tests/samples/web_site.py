"""Web bundles for tests: of a tiny model, with the real onnxruntime-web, and a server for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from export.web import onnxruntime_web
from export.web.bundle import build_web_bundle
from export.web.server import BundleServer
from tests.samples.tiny_model import save_tiny_model


def web_archive() -> Path:
    """onnxruntime-web's archive; the test is skipped where it cannot be had."""
    try:
        return onnxruntime_web.archive()
    except onnxruntime_web.NpmError as error:
        pytest.skip(f"no onnxruntime-web: {error}")


def tiny_site(folder: Path, **changes: object) -> Path:
    """A bundle of the tiny model, its metadata changed by ``changes``, at ``folder``."""
    archive = web_archive()
    model = save_tiny_model(folder.parent / f"{folder.name}.onnx", **changes)
    return build_web_bundle(model, folder, archive=archive).folder


@contextmanager
def served(folder: Path, *, port: int = 0, isolated: bool = True) -> Iterator[BundleServer]:
    """A server of ``folder``, until the context ends."""
    server = BundleServer(folder, port, isolated=isolated)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
