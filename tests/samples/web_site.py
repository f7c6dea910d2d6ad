"""Web bundles for tests: a bundle of a tiny model, with or without the real onnxruntime-web, and a server for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from export.web import bundle
from export.web.errors import NpmError
from export.web.onnxruntime_web import FILES, find_archive
from export.web.server import BundleServer
from tests.samples.tiny_model import save_tiny_model

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
CLASSES = ("red", HOSTILE_NAME, "blue")


def web_archive() -> Path:
    """Return onnxruntime-web's archive, or skip the test if npm cannot download it."""
    try:
        return find_archive()
    except NpmError as error:
        pytest.skip(f"no onnxruntime-web: {error}")


def use_small_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace onnxruntime-web with a few bytes. Such a bundle is made fast, but no browser can run it."""
    monkeypatch.setattr(bundle, "find_archive", lambda archive: Path("no archive"))
    monkeypatch.setattr(bundle, "read_archive", lambda path: {name: name.encode() for name in FILES})


def build_tiny_site(folder: Path, archive: Path | None = None, **metadata: Any) -> Path:
    """Make a bundle at ``folder`` of a tiny model with changed ``metadata``. The model is written beside ``folder``."""
    model = save_tiny_model(folder.parent / f"{folder.name}.onnx", **metadata)
    return bundle.build_web_bundle(model, folder, archive=archive).folder


@contextmanager
def run_server(folder: Path, *, port: int = 0, isolated: bool = True) -> Iterator[BundleServer]:
    """Serve ``folder`` until the context ends."""
    server = BundleServer(folder, port, isolated=isolated)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
