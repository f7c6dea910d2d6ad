"""The web bundle: what is in the folder, how it is checked, and what becomes of hostile archives."""

import base64
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from export.command_line.main import main
from export.files.manifest import NAME, read_manifest
from export.web import bundle as bundling
from export.web import onnxruntime_web
from export.web.bundle import PAGE, build_web_bundle
from export.web.bundle_check import BundleError, check_bundle
from export.web.headers import META_POLICY, POLICY, SECURITY
from export.web.onnxruntime_web import NpmError, read_files, verify
from runtime import FlowerError
from tests.samples.tiny_model import INFO, save_tiny_model
from tests.samples.web_site import tiny_site, web_archive

HOSTILE_NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle. Not to be changed."""
    folder = tmp_path_factory.mktemp("site") / "site"
    return tiny_site(folder, classes=("red", HOSTILE_NAME, "blue"), temperature=0.5, threshold=0.25)


def tgz(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> Path:
    """An archive of files and of whatever else a member may be."""
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def test_the_named_files_are_read_and_nothing_is_unpacked(tmp_path: Path) -> None:
    path = tgz(
        tmp_path / "a.tgz",
        [("package/dist/../../../evil", b"x"), ("/evil", b"x"), link("package/evil", "/etc"), ("a", b"not this"),
         ("package/dist/sub/a", b"nor this"), ("package/dist/a", b"this"), ("package/dist/b", b"and this")],
    )  # fmt: skip
    assert read_files(path, ("a", "b")) == {"a": b"this", "b": b"and this"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([link("package/dist/a", "/etc/passwd")], "no plain file"),
        ([("package/dist/b", b"")], "lacks a"),
        ([], "lacks a"),
        ([("package/dist/a", bytes(5000))], "no plain file of a likely size"),
        ([(f"package/{index}", bytes(900)) for index in range(20)], "unpacks to more"),
    ],
    ids=["link", "missing", "empty", "large file", "large archive"],
)
def test_hostile_archives_are_refused(
    members: list[tarfile.TarInfo | tuple[str, bytes]], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime_web, "MAX_FILE_BYTES", 4000)
    monkeypatch.setattr(onnxruntime_web, "MAX_UNPACKED_BYTES", 10_000)
    with pytest.raises(NpmError, match=message):
        read_files(tgz(tmp_path / "a.tgz", members), ("a",))


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08", gzip.compress(b"no tar" * 100, mtime=0)])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(NpmError, match=r"a\.tgz"):
        read_files(tmp_path / "a.tgz", ("a",))


def test_an_archive_must_be_the_published_one(tmp_path: Path) -> None:
    path = tgz(tmp_path / "a.tgz", [("package/dist/a", b"a")])
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    verify(path, integrity)
    with pytest.raises(NpmError, match="as published"):
        verify(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(NpmError, match="as published"):
        verify(path, integrity)


def test_without_npm_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--target", "web", "--output", str(tmp_path / "site")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "install Node.js" in line
    assert "--onnxruntime-web" in line
    assert not (tmp_path / "site").exists()


def test_the_archive_kept_from_last_time_is_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    kept = tmp_path / "flower-edge" / f"onnxruntime-web-{onnxruntime_web.VERSION}.tgz"
    kept.parent.mkdir()
    kept.write_bytes(b"half of it")
    with pytest.raises(NpmError, match="npm is not installed"):
        onnxruntime_web.archive()
    assert not kept.exists()


def test_the_page_is_told_what_the_model_file_says(site: Path) -> None:
    described = json.loads((site / "model.json").read_text())
    assert described["classes"] == ["red", HOSTILE_NAME, "blue"]
    assert described["preprocessing"] == INFO.preprocessing.to_dict()
    assert (described["temperature"], described["threshold"]) == (0.5, 0.25)
    for entry in described["files"].values():
        packed = (site / entry["file"]).read_bytes()
        assert len(packed) == entry["bytes"]
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == entry["sha256"]


def test_the_service_worker_knows_every_file(site: Path) -> None:
    listed = json.loads((site / "bundle.js").read_text().removeprefix("self.BUNDLE = ").rstrip(";\n"))
    names = set(listed["small"]) | {entry["file"] for entry in listed["large"]}
    assert names | {NAME, "bundle.js", "service-worker.js"} == {path.name for path in site.iterdir()}
    for name, digest in listed["small"].items():
        assert hashlib.sha256((site / name).read_bytes()).hexdigest() == digest
    assert listed["headers"]["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]


def test_another_model_is_another_version(site: Path, tmp_path: Path) -> None:
    other = tiny_site(tmp_path / "other", classes=("red", HOSTILE_NAME, "blue"), temperature=0.6, threshold=0.25)
    again = tiny_site(tmp_path / "again", classes=("red", HOSTILE_NAME, "blue"), temperature=0.5, threshold=0.25)
    versions = [
        re.findall(r'"version": "(\w{64})"', (folder / "bundle.js").read_text()) for folder in (site, again, other)
    ]
    assert versions[0] != versions[2]
    # The model's name is that of its file; all else is the same to the byte.
    assert {path.name for path in again.iterdir()} - {path.name for path in site.iterdir()} == {"again.ort.gz"}


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.script_text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style"):
            self.script_text += data.strip()


def test_the_page_is_strict_about_what_may_run(site: Path) -> None:
    elements = _Elements()
    elements.feed((site / "index.html").read_text())
    policies = [attributes["content"] for _, attributes in elements.found if "http-equiv" in attributes]
    assert policies == [META_POLICY]
    assert elements.script_text == ""
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            assert (site / (attributes.get(name) or "index.html")).is_file(), attributes
    sources = " ".join(POLICY.values())
    assert POLICY["default-src"] == "'none'"
    assert "unsafe-inline" not in sources
    assert "'unsafe-eval'" not in sources
    assert "http" not in sources


def test_scripts_name_no_other_server_and_write_no_markup() -> None:
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.findall(r"https?://", text), path
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), path


def test_it_can_be_installed(site: Path) -> None:
    manifest = json.loads((site / "app.webmanifest").read_text())
    assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "./", "./")
    drawn = {icon["src"]: icon for icon in manifest["icons"] if icon["type"] == "image/png"}
    for name, icon in drawn.items():
        with Image.open(site / name) as image:
            assert icon["sizes"] == f"{image.width}x{image.height}"
            # Android cuts a maskable icon itself, so it has no transparent corners.
            assert (image.convert("RGBA").getpixel((0, 0))[3] == 255) == (icon.get("purpose") == "maskable")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in drawn.values()}


def test_licences_come_with_it(site: Path) -> None:
    text = (site / "LICENCES.txt").read_text()
    assert "Apache License 2.0" in text
    assert "Permission is hereby granted, free of charge" in text
    assert onnxruntime_web.VERSION in text


@pytest.mark.parametrize("name", ["app.js", "tiny.ort.gz", "SHA256SUMS", "model.json"])
def test_a_bundle_that_is_not_whole_is_found_out(name: str, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    name = next(site.glob("*.ort.gz")).name if name.endswith(".ort.gz") else name
    shutil.copytree(site, folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError):
        check_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError):
        check_bundle(folder)
    (folder / name).write_bytes(content)
    assert check_bundle(folder).info.classes == ("red", HOSTILE_NAME, "blue")
    (folder / "stranger.js").write_text("1")
    with pytest.raises(BundleError, match=r"stranger\.js"):
        check_bundle(folder)


def test_a_description_that_is_not_the_models_is_found_out(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    described = json.loads((folder / "model.json").read_text())
    changed = json.dumps({**described, "threshold": 0.9})
    (folder / "model.json").write_text(changed)
    old, new = read_manifest(site)["model.json"], hashlib.sha256(changed.encode()).hexdigest()
    (folder / NAME).write_text((folder / NAME).read_text().replace(old, new))
    with pytest.raises(BundleError, match="does not say what its model file says"):
        check_bundle(folder)


def test_a_bundle_is_replaced_whole_and_other_folders_never(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    tiny_site(folder, threshold=0.75)
    assert check_bundle(folder).info.threshold == 0.75
    assert {path.name for path in tmp_path.iterdir()} == {"site", "site.onnx"}
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(FlowerError, match="holds other files"):
        tiny_site(precious)
    with pytest.raises(FlowerError, match="is a file"):
        tiny_site(precious / "holiday.jpg")
    assert (precious / "holiday.jpg").read_bytes() == b"dear"
    (folder / "CNAME").write_text("flowers.example")  # a site that is published from the bundle's own folder
    with pytest.raises(FlowerError, match="holds other files"):
        tiny_site(folder)
    assert (folder / "CNAME").read_text() == "flowers.example"


def test_a_build_that_fails_leaves_what_was_there(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    before = read_manifest(folder)
    model = save_tiny_model(tmp_path / "other.onnx")
    archive = web_archive()

    def fail(path: Path) -> None:
        raise BundleError(f"{path}: as if it were broken")

    monkeypatch.setattr(bundling, "check_bundle", fail)
    with pytest.raises(BundleError, match="as if it were broken"):
        build_web_bundle(model, folder, archive=archive)
    check_bundle(folder)
    assert read_manifest(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "other.onnx"}


def test_a_model_in_ort_format_that_answers_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = save_tiny_model(tmp_path / "a.onnx"), save_tiny_model(tmp_path / "b.onnx", classes=("x", "y", "z"))
    wrong = bundling.to_ort({"model": other.read_bytes()})
    archive = web_archive()
    monkeypatch.setattr(bundling, "to_ort", lambda content: wrong)
    with pytest.raises(BundleError):
        build_web_bundle(model, tmp_path / "site", archive=archive)
    assert not (tmp_path / "site").exists()
