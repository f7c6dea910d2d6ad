"""The page in Chromium, at the size of a phone: answers, use without a network, accessibility, and errors.

All tests share one browser process.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from benchmarks.environments.browser import BrowserError, FlowerPage, chromium, new_context
from export.web.bundle import build_web_bundle
from finetune.data.dataset import read_split
from runtime import FlowerClassifier
from runtime.inference.shipped_models import DEFAULT_MODEL
from runtime.photos.preprocessing import Preprocessing
from runtime.species.names import shipped_names
from tests.export.web.browser_actions import (
    contrast_ratio,
    drop_or_paste,
    encode_image,
    read_in_browser,
    save_plain_photo,
    wait_for_update,
)
from tests.samples.drawn_flowers import draw_flower
from tests.samples.web_site import HOSTILE_NAME, build_tiny_site, run_server, web_archive

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

MAX_THREADS = min(4, os.cpu_count() or 1)
RED, BLUE, GREY, DARK = (255, 0, 0), (0, 0, 255), (90, 99, 90), (20, 25, 20)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium())
        except BrowserError as error:
            pytest.skip(f"no browser: {error}")
        yield running


@pytest.fixture(scope="module")
def real_site(make_once: Callable[..., Path]) -> Path:
    """A bundle of the default model."""
    archive = web_archive()
    return make_once("real-site", lambda folder: build_web_bundle(DEFAULT_MODEL, folder, archive=archive))


@pytest.fixture(scope="module")
def page(browser: "Browser", site: Path) -> Iterator[FlowerPage]:
    """The page with the tiny model, ready. A test may find an answer on it, and leaves it able to answer."""
    with run_server(site) as server:
        context = new_context(browser)
        page = FlowerPage(context)
        page.open(server.address)
        yield page
        context.close()


@pytest.fixture
def new_page(browser: "Browser") -> Iterator[FlowerPage]:
    """An empty tab in a browser profile that has not visited the page before."""
    context = new_context(browser)
    yield FlowerPage(context)
    context.close()


def test_answer_is_the_runtimes_with_and_without_a_network(new_page: FlowerPage, real_site: Path, photo: Path) -> None:
    expected = FlowerClassifier(device="cpu").predict(photo)
    with run_server(real_site) as server:
        address = server.address
        new_page.open(address)
        new_page.wait_until_offline()
        online = new_page.classify(photo)
    # The server has stopped, and the network is off.
    new_page.page.context.set_offline(True)
    new_page.page.reload()
    new_page.wait_until_ready()
    assert new_page.state == "empty"
    offline = new_page.classify(photo)
    assert new_page.threads == MAX_THREADS
    for shown in (online, offline):
        assert shown.labels[0] == expected.best.label
        assert len(shown.labels) == 5
        assert abs(int(shown.shares[0].strip("<% ")) - 100 * expected.best.probability) < 3
        assert shown.milliseconds > 0
    assert online.verdict == expected.verdict
    name = shipped_names().name(expected.best.label, "en")
    assert (online.headline == name) == (expected.verdict == "name")
    assert new_page.console_errors == []
    # The page requested its own files and nothing else.
    assert len(new_page.requests) > 20
    assert [url for url in new_page.requests if not url.removeprefix("blob:").startswith(address)] == []


def test_twenty_photographs_get_the_runtimes_answers(new_page: FlowerPage, real_site: Path, real_data: Path) -> None:
    paths = read_split(real_data, "test").paths
    photos = paths[:: len(paths) // 20][:20]
    assert len(photos) == 20
    classifier = FlowerClassifier(device="cpu")
    with run_server(real_site) as server:
        new_page.open(server.address)
        pairs = [(new_page.classify(path), classifier.predict(path)) for path in photos]
    assert sum(shown.labels[0] == expected.best.label for shown, expected in pairs) >= 19
    assert sum(shown.verdict == expected.verdict for shown, expected in pairs) >= 19


def test_verdicts_are_in_words_and_class_names_are_text(page: FlowerPage, tmp_path: Path) -> None:
    certain = page.classify(save_plain_photo(tmp_path / "red.png", RED))
    assert (certain.verdict, certain.headline) == ("name", "Red")
    assert "Perhaps no flower" not in page.page.inner_text("#verdict")
    unfamiliar = page.classify(save_plain_photo(tmp_path / "dark.png", DARK))
    assert (unfamiliar.verdict, unfamiliar.headline) == ("unfamiliar", "Not like any flower it knows")
    assert "Perhaps no flower" in page.page.inner_text("#verdict")
    uncertain = page.classify(save_plain_photo(tmp_path / "grey.png", GREY))
    assert (uncertain.verdict, uncertain.headline) == ("between", f"Between {HOSTILE_NAME} and red")
    assert "near each other" in page.page.inner_text("#verdict")
    assert uncertain.labels == (HOSTILE_NAME, "red", "blue")
    assert page.page.locator("#candidates img").count() == 0
    # Softmax with the temperature: the tiny model's logits are the means of the colours divided by 25.
    weights = np.exp(np.array([99, 90, 90]) / 25 / 4)
    assert [int(share.strip("%")) for share in uncertain.shares] == np.round(100 * weights / weights.sum()).tolist()


def test_model_without_familiarity_is_not_sure(new_page: FlowerPage, tmp_path: Path) -> None:
    site = build_tiny_site(tmp_path / "site", web_archive(), temperature=4.0, threshold=0.8)
    with run_server(site) as server:
        new_page.open(server.address)
        answer = new_page.classify(save_plain_photo(tmp_path / "dark.png", DARK))
    assert (answer.verdict, answer.headline) == ("between", "Not sure")
    assert "Perhaps no flower" in new_page.page.inner_text("#verdict")


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0 half a JPEG", b"<svg></svg>"])
def test_unreadable_photo_is_reported_and_the_next_one_is_answered(
    content: bytes, page: FlowerPage, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(BrowserError, match="no photo, or is damaged"):
        page.classify(tmp_path / "broken.jpg")
    assert page.page.locator("#candidates").is_hidden()
    assert page.page.locator("#photo").is_hidden()
    assert page.classify(save_plain_photo(tmp_path / "blue.png", BLUE)).labels[0] == "blue"


def test_heic_photo_has_its_own_message(page: FlowerPage, tmp_path: Path) -> None:
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(BrowserError, match="HEIC"):
        page.classify(tmp_path / "photo.HEIC")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_photo_can_be_dropped_or_pasted(kind: str, page: FlowerPage, tmp_path: Path) -> None:
    page.classify(save_plain_photo(tmp_path / "red.png", RED))
    drop_or_paste(page, kind, save_plain_photo(tmp_path / "blue.png", BLUE))
    assert page.answer().labels[0] == "blue"


def test_page_can_be_used_with_the_keyboard(page: FlowerPage, tmp_path: Path) -> None:
    tab = page.page
    tab.evaluate("document.activeElement.blur()")
    # Playwright listens for the file chooser from here on; the two evaluations ensure that it does before Enter.
    with tab.expect_file_chooser() as chooser:
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.id") == "file"
        assert tab.evaluate("getComputedStyle(document.querySelector('.button')).outlineStyle") == "solid"
        tab.keyboard.press("Enter")
    chooser.value.set_files(save_plain_photo(tmp_path / "red.png", RED))
    assert page.answer().labels[0] == "red"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Licences"


def test_page_has_names_for_screen_readers(page: FlowerPage, tmp_path: Path) -> None:
    page.classify(save_plain_photo(tmp_path / "red.png", RED))
    tab = page.page
    assert tab.get_by_label("Take or choose a photo").get_attribute("type") == "file"
    assert tab.get_by_role("status").get_by_role("heading", name="red").count() == 1
    assert tab.get_by_role("list", name="The five most likely flowers").get_by_role("listitem").count() == 3
    assert tab.get_by_role("img", name="Your photo").count() == 1
    assert tab.locator("html").get_attribute("lang") == "en"


def test_language_without_texts_gets_english(browser: "Browser", site: Path) -> None:
    context = browser.new_context(locale="tlh")  # Klingon
    page = FlowerPage(context)
    with run_server(site) as server:
        page.page.goto(server.address)
        assert page.page.title() == "Flowers"
        assert page.page.locator("html").get_attribute("lang") == "en"
        assert page.page.inner_text(".question") == "Which flower is this?"
        context.close()


def test_controls_are_large_enough_and_within_reach_of_a_thumb(page: FlowerPage, tmp_path: Path) -> None:
    tab = page.page
    for colour in (RED, GREY, DARK):
        page.classify(save_plain_photo(tmp_path / "photo.png", colour))
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        for target in (".button", "a"):
            box = tab.locator(target).bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["width"] >= 44
        button = tab.locator(".button").bounding_box()
        assert button is not None
        assert button["y"] > 740 / 2  # the lower half of the screen
        assert button["y"] + button["height"] <= 740


def test_text_has_enough_contrast_in_light_and_dark(page: FlowerPage, tmp_path: Path) -> None:
    tab = page.page
    page.classify(save_plain_photo(tmp_path / "grey.png", GREY))
    pairs = [("--ink", "--paper"), ("--soft", "--paper"), ("--ink", "--card"), ("--soft", "--card"),
             ("--on-leaf", "--leaf"), ("--on-leaf", "--leaf-pressed"), ("--on-warning", "--warning")]  # fmt: skip
    names = sorted({name for pair in pairs for name in pair})
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        values = tab.evaluate(
            "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue(name).trim())",
            names,
        )
        colours = dict(zip(names, values, strict=True))
        for text, background in pairs:
            assert contrast_ratio(colours[text], colours[background]) >= 4.5, (scheme, text, background)
        assert contrast_ratio(colours["--leaf"], colours["--paper"]) >= 3
    tab.emulate_media(color_scheme="light")


@pytest.mark.parametrize(
    ("width", "height", "rule"),
    [
        (300, 401, Preprocessing(size=96)),
        (1, 1, Preprocessing(size=16)),
        (700, 31, Preprocessing(size=64, crop_pct=1.0)),
        (640, 333, Preprocessing(size=128, crop_pct=0.77, interpolation="bilinear")),
    ],
)
def test_resampling_equals_pillows_bit_for_bit(width: int, height: int, rule: Preprocessing, page: FlowerPage) -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert np.array_equal(read_in_browser(page, encode_image(image, format="PNG"), rule), rule.crop(image))


def test_transparent_picture_is_drawn_on_white(page: FlowerPage) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    content, rule = encode_image(image, format="PNG"), Preprocessing(size=32, crop_pct=1.0)
    assert np.array_equal(read_in_browser(page, content, rule), rule(content))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_is_turned_upright(orientation: int, page: FlowerPage) -> None:
    image = draw_flower(2, np.random.default_rng(3), 300).resize((384, 304))
    image.paste((255, 0, 0), (60, 60, 110, 90))  # makes all orientations look different
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode_image(image, format="JPEG", quality=95, subsampling=0, exif=exif)
    rule = Preprocessing(size=64)
    assert np.abs(read_in_browser(page, content, rule).astype(int) - rule(content)).mean() < 1


def test_large_photo_is_reduced_like_pillow(page: FlowerPage) -> None:
    # 12 megapixels, with sides that are not multiples of a block's side.
    image = draw_flower(3, np.random.default_rng(4), 100).resize((4001, 3003), Image.Resampling.BICUBIC)
    content, rule = encode_image(image, format="JPEG", quality=90), Preprocessing()
    difference = np.abs(read_in_browser(page, content, rule).astype(int) - rule(content))
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 4


def test_browser_without_the_features_is_reported(new_page: FlowerPage, site: Path) -> None:
    new_page.page.context.add_init_script("delete window.OffscreenCanvas; WebAssembly.validate = () => false;")
    with run_server(site) as server, pytest.raises(BrowserError, match="no WebAssembly SIMD, OffscreenCanvas"):
        new_page.open(server.address)
    assert new_page.page.locator("#file").is_disabled()


def test_damaged_model_is_rejected(new_page: FlowerPage, site: Path) -> None:
    new_page.page.context.route("**/*.ort.gz", lambda route: route.fulfill(body=b"half of it"))
    with run_server(site) as server, pytest.raises(BrowserError, match=r"tiny\.ort\.gz arrived damaged"):
        new_page.open(server.address)


def test_missing_model_is_reported(new_page: FlowerPage, site: Path) -> None:
    new_page.page.context.route("**/model.json", lambda route: route.fulfill(status=404))
    with run_server(site) as server, pytest.raises(BrowserError, match=r"model\.json: the server answers 404"):
        new_page.open(server.address)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_page_without_a_model_takes_no_photos(kind: str, new_page: FlowerPage, site: Path, photo: Path) -> None:
    new_page.page.context.route("**/*.ort.gz", lambda route: route.abort())
    with run_server(site) as server, pytest.raises(BrowserError, match="could not be loaded"):
        new_page.open(server.address)
    reason = new_page.status
    drop_or_paste(new_page, kind, photo)
    new_page.page.wait_for_timeout(200)
    assert (new_page.state, new_page.status) == ("failed", reason)
    assert new_page.page.locator("#photo").is_hidden()


def test_a_crash_after_the_start_is_told_from_a_model_that_does_not_load(
    new_page: FlowerPage, site: Path, photo: Path
) -> None:
    """The page gets a worker that is ready at once, and throws at the first photo."""
    worker = """
        self.postMessage({ type: "ready", threads: 1, kept: false, milliseconds: 1 });
        self.addEventListener("message", () => { throw new Error("out of memory"); });
    """
    headers = {"Content-Type": "text/javascript", "Cross-Origin-Embedder-Policy": "require-corp"}
    new_page.page.context.route("**/worker.js", lambda route: route.fulfill(body=worker, headers=headers))
    with run_server(site) as server:
        new_page.open(server.address)
        with pytest.raises(BrowserError, match=r"No more photos can be classified .*out of memory.* Load this page"):
            new_page.classify(photo)
    assert new_page.page.locator("#file").is_disabled()


def test_second_visit_has_threads_even_if_the_server_sends_no_headers(new_page: FlowerPage, site: Path) -> None:
    with run_server(site, isolated=False) as server:
        new_page.open(server.address)
        assert new_page.threads == 1
        new_page.wait_until_offline()
        new_page.page.reload()
        new_page.wait_until_ready()
        assert new_page.page.evaluate("crossOriginIsolated")
        assert new_page.threads == MAX_THREADS


# Chromium sometimes loses a page load during the change of service workers, and then waits for it forever.
@pytest.mark.slow
def test_new_bundle_replaces_the_old_one_and_removes_its_files(
    new_page: FlowerPage, site: Path, tmp_path: Path
) -> None:
    newer = build_tiny_site(tmp_path / "newer", web_archive(), classes=("rose", "fern", "iris"))
    red = save_plain_photo(tmp_path / "red.png", RED)
    tab = new_page.page
    with run_server(site) as server:
        new_page.open(server.address)
        new_page.wait_until_offline()
        assert new_page.classify(red).labels[0] == "red"
        before = tab.evaluate("caches.keys()")
        # The browser downloads the whole new bundle while the old one is in use.
        server.folder = newer
        tab.evaluate("navigator.serviceWorker.ready.then(registration => registration.update())")
        wait_for_update(new_page, waiting=True)
        assert new_page.classify(red).labels[0] == "red"
        address = server.address
    tab.context.set_offline(True)
    tab.goto("about:blank")  # No page uses the old bundle any more.
    tab.goto(address)
    wait_for_update(new_page, waiting=False)
    tab.reload()
    new_page.wait_until_ready()
    assert new_page.classify(red).labels[0] == "rose"
    after = tab.evaluate("caches.keys()")
    assert len(after) == 3
    # The engine is the same file and stays stored.
    assert len(set(before) & set(after)) == 1
