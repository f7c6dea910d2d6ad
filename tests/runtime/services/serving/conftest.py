"""Fixtures of the tests of the service."""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from runtime import FlowerClassifier
from tests.samples.tiny_model import save_tiny_model

PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")
# Without the extra there is no service to test. The tests of the bare runtime run in such an environment.
collect_ignore_glob = [] if all(find_spec(name) for name in PACKAGES) else ["test_*.py"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> FlowerClassifier:
    model = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx", with_familiarity=True)
    return FlowerClassifier(model)


@pytest.fixture(scope="session")
def red() -> bytes:
    """A red photo as a PNG file."""
    file = BytesIO()
    Image.new("RGB", (30, 20), (250, 20, 10)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder with the files that every web bundle has, beside a file that must not be read."""
    folder = tmp_path / "page"
    (folder / "inner").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Flowers</title>")
    (folder / "model.json").write_text("{}")
    (folder / "app.js").write_text("// script")
    (folder / "worker.mjs").write_text("// script")
    (folder / "model.ort.gz").write_bytes(b"\x1f\x8b")
    (folder / ".hidden").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    return folder
