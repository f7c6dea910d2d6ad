"""The web bundle: its files, its checks, and how it replaces an earlier bundle."""

import gzip
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper
from PIL import Image

from export.command_line import main
from export.files.manifest import NAME, read_manifest
from export.graph.ort_format import to_ort
from export.web import bundle
from export.web.bundle import build_web_bundle, describe_bundle
from export.web.bundle_check import check_bundle
from export.web.contents import PAGE, names_in_languages
from export.web.errors import BundleError
from export.web.onnxruntime_web import VERSION
from runtime import FlowerError
from runtime.services.page_headers import META_POLICY, POLICY, SECURITY
from tests.samples.tiny_model import INFO, save_tiny_model, tiny_model
from tests.samples.web_site import CLASSES, build_tiny_site, use_small_engine


@pytest.fixture
def small_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_engine(monkeypatch)


def test_model_json_describes_the_model(site: Path) -> None:
    description = json.loads((site / "model.json").read_text())
    assert description["classes"] == list(CLASSES)
    assert description["preprocessing"] == INFO.preprocessing.to_dict()
    assert (description["temperature"], description["threshold"]) == (4.0, 0.8)
    assert (description["familiarity_output"], description["familiarity_threshold"]) == ("familiarity", 0.3)
    assert description["names"] == {}  # these classes are no species
    for entry in description["files"].values():
        packed = (site / entry["file"]).read_bytes()
        assert len(packed) == entry["bytes"]
        unpacked = gzip.decompress(packed)
        assert len(unpacked) == entry["unpacked_bytes"]
        assert hashlib.sha256(unpacked).hexdigest() == entry["sha256"]


def test_page_has_the_names_of_the_species_in_its_own_languages() -> None:
    names = names_in_languages(("watercress", "cyclamen"))
    assert names["de"] == ["Große Kapuzinerkresse", "Alpenveilchen"]
    scripts = "".join((PAGE / name).read_text(encoding="utf-8") for name in ("texts.js", "texts-translated.js"))
    assert set(names) == set(re.findall(r"^  ([a-z]{2}): \{$", scripts, re.M))


def test_service_worker_lists_every_file(site: Path) -> None:
    listed = json.loads((site / "bundle.js").read_text().removeprefix("self.BUNDLE = ").rstrip(";\n"))
    names = set(listed["small"]) | {entry["file"] for entry in listed["large"]}
    assert names | {NAME, "bundle.js", "service-worker.js"} == {path.name for path in site.iterdir()}
    assert {path.name for path in PAGE.iterdir()} - {"service-worker.js"} <= set(listed["small"])
    for name, digest in listed["small"].items():
        assert hashlib.sha256((site / name).read_bytes()).hexdigest() == digest
    assert listed["headers"]["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]


def test_version_changes_with_the_model_only(small_engine: None, tmp_path: Path) -> None:
    first = build_tiny_site(tmp_path / "first", temperature=0.5)
    again = build_tiny_site(tmp_path / "again", temperature=0.5)
    (tmp_path / "other").mkdir()
    other = build_tiny_site(tmp_path / "other" / "first", temperature=0.6)
    assert _version(first) != _version(other)
    # The network has the name of the model file. All other files are equal, except those that contain this name.
    assert {path.name for path in again.iterdir()} - {path.name for path in first.iterdir()} == {"again.ort.gz"}
    changed = {name for name, digest in read_manifest(again).items() if read_manifest(first).get(name) != digest}
    assert changed == {"again.ort.gz", "model.json", "bundle.js"}


def _version(site: Path) -> str:
    (version,) = re.findall(r'"version": "(\w{64})"', (site / "bundle.js").read_text())
    return str(version)


class _ElementList(HTMLParser):
    """All elements of a page, and the text inside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.script_text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in ("script", "style"):
            self.script_text += data.strip()


def test_page_has_a_strict_policy_and_only_own_files(site: Path) -> None:
    page = _ElementList()
    page.feed((site / "index.html").read_text())
    policies = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policies == [META_POLICY]
    assert page.script_text == ""
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            assert (site / (attributes.get(name) or "index.html")).is_file(), attributes
    sources = " ".join(POLICY.values())
    assert POLICY["default-src"] == "'none'"
    assert "unsafe-inline" not in sources
    assert "'unsafe-eval'" not in sources
    assert "http" not in sources


def test_scripts_use_no_other_server_and_insert_no_markup() -> None:
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.findall(r"https?://", text), path
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), path


def test_page_can_be_installed(site: Path) -> None:
    manifest = json.loads((site / "app.webmanifest").read_text())
    assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "./", "./")
    png_icons = {icon["src"]: icon for icon in manifest["icons"] if icon["type"] == "image/png"}
    for name, icon in png_icons.items():
        with Image.open(site / name) as image:
            assert icon["sizes"] == f"{image.width}x{image.height}"
            corner = image.convert("RGBA").getpixel((0, 0))
            assert isinstance(corner, tuple)
            # Android cuts a maskable icon itself, so that one has no transparent corners.
            assert (corner[3] == 255) == (icon.get("purpose") == "maskable")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in png_icons.values()}


def test_bundle_contains_the_licences(site: Path) -> None:
    text = (site / "LICENCES.txt").read_text()
    assert "Apache License 2.0" in text
    assert "Permission is hereby granted, free of charge" in text
    assert VERSION in text


def test_description_names_large_files_and_the_command_that_serves(small_engine: None, tmp_path: Path) -> None:
    made = build_web_bundle(save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "site")
    *rows, last = describe_bundle(made).splitlines()
    assert rows[0].split() == ["LICENCES.txt", f"{made.sizes['LICENCES.txt'] / 1e6:.2f}", "MB"]
    assert rows[-1].startswith(f"all {len(made.sizes)} files")
    assert last.endswith(f"export serve {tmp_path / 'site'}")


@pytest.mark.parametrize("name", ["app.js", "tiny.ort.gz", "SHA256SUMS", "model.json"])
def test_incomplete_bundle_is_detected(name: str, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError):
        check_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError):
        check_bundle(folder)
    (folder / name).write_bytes(content)
    assert check_bundle(folder).info.classes == CLASSES
    (folder / "unknown.js").write_text("1")
    with pytest.raises(BundleError, match=r"unknown\.js"):
        check_bundle(folder)


def test_description_that_differs_from_the_model_is_detected(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    description = json.loads((folder / "model.json").read_text())
    for change in ({"threshold": 0.9}, {"familiarity_threshold": 0.9}, {"familiarity_output": None}):
        _write_description(folder, {**description, **change})
        with pytest.raises(BundleError, match="differs from the metadata of the model file"):
            check_bundle(folder)


def _write_description(folder: Path, description: dict[str, Any]) -> None:
    """Replace ``model.json`` in the bundle in ``folder``, and its digest."""
    content = json.dumps(description).encode()
    (folder / "model.json").write_bytes(content)
    old, new = read_manifest(folder)["model.json"], hashlib.sha256(content).hexdigest()
    (folder / NAME).write_text((folder / NAME).read_text().replace(old, new))


def test_bundle_that_was_made_before_the_familiarity_is_complete(small_engine: None, tmp_path: Path) -> None:
    folder = build_tiny_site(tmp_path / "site", threshold=0.7)
    description = json.loads((folder / "model.json").read_text())
    assert description.pop("familiarity_output") is None
    assert description.pop("familiarity_threshold") == 0
    _write_description(folder, description)
    assert check_bundle(folder).info.threshold == 0.7


def test_bundle_replaces_a_bundle_and_no_other_folder(site: Path, small_engine: None, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    build_tiny_site(folder, threshold=0.75)
    assert check_bundle(folder).info.threshold == 0.75
    assert {path.name for path in tmp_path.iterdir()} == {"site", "site.onnx"}
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"a photo")
    with pytest.raises(FlowerError):
        build_tiny_site(photos)
    with pytest.raises(FlowerError):
        build_tiny_site(photos / "holiday.jpg")
    assert [path.name for path in photos.iterdir() if path.suffix != ".onnx"] == ["holiday.jpg"]
    assert (photos / "holiday.jpg").read_bytes() == b"a photo"
    (folder / "CNAME").write_text("flowers.example")  # a site that is published from the bundle's own folder
    with pytest.raises(FlowerError):
        build_tiny_site(folder)
    assert (folder / "CNAME").read_text() == "flowers.example"


def test_failed_build_leaves_the_old_bundle(
    site: Path, small_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    before = read_manifest(folder)
    model = save_tiny_model(tmp_path / "other.onnx")

    def fail(path: Path) -> None:
        raise BundleError(f"{path}: failed for this test")

    monkeypatch.setattr(bundle, "check_bundle", fail)
    with pytest.raises(BundleError, match="failed for this test"):
        build_web_bundle(model, folder)
    check_bundle(folder)
    assert read_manifest(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "other.onnx"}


def test_conversion_that_changes_the_metadata_is_rejected(
    small_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_tiny_model(tmp_path / "a.onnx")
    _convert_to(save_tiny_model(tmp_path / "b.onnx", classes=("x", "y", "z")).read_bytes(), monkeypatch)
    with pytest.raises(BundleError, match="differs from the metadata"):
        build_web_bundle(model, tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("constant", "output", "part"),
    [("weights", "logits", 1.0), ("part", "familiarity", 1.0), ("part", "familiarity", 0.1)],
)
def test_conversion_that_changes_an_output_is_rejected(
    constant: str, output: str, part: float, small_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real network gives noise a familiarity of about 0.05, as here the part 0.1 does."""
    network = tiny_model(familiarity=True)
    tensors = {tensor.name: tensor for tensor in network.graph.initializer}

    def multiply(name: str, factor: float) -> None:
        values = numpy_helper.to_array(tensors[name]) * np.float32(factor)
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))

    multiply("part", part)
    model = tmp_path / "a.onnx"
    model.write_bytes(network.SerializeToString())
    multiply(constant, 0.5)
    _convert_to(network.SerializeToString(), monkeypatch)
    with pytest.raises(BundleError, match=f"changes its {output}"):
        build_web_bundle(model, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def _convert_to(onnx_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every conversion return the ORT format of ``onnx_file``."""
    converted = to_ort({"model": onnx_file})
    monkeypatch.setattr(bundle, "to_ort", lambda models: converted)


def test_model_in_ort_format_is_used_as_it_is(small_engine: None, tmp_path: Path) -> None:
    content = to_ort({"model": tiny_model().SerializeToString()})["model.ort"]
    (tmp_path / "model.ort").write_bytes(content)
    build_web_bundle(tmp_path / "model.ort", tmp_path / "site")
    assert gzip.decompress((tmp_path / "site" / "model.ort.gz").read_bytes()) == content


def test_command_reports_a_missing_npm_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["web", "--output", str(tmp_path / "site")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "install Node.js" in line
    assert not (tmp_path / "site").exists()
