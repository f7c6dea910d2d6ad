"""The page in a real browser, at a phone's size: photo in, answer out; without a network; what goes wrong."""

import base64
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.environments.browser import BrowserError, FlowerPage, chromium, new_context
from export.web.bundle import build_web_bundle
from finetune.data.dataset import read_split
from runtime import FlowerClassifier
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.photos.preprocessing import Preprocessing
from tests.samples.drawn_flowers import draw_flower
from tests.samples.web_site import served, tiny_site, web_archive

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
THREADS = min(4, os.cpu_count() or 1)
READ_PHOTO = """async ([content, preprocessing]) => {
  const { readPhoto } = await import("./photo.js");
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const pixels = await readPhoto(new File([bytes], "photo"), preprocessing);
  return [...pixels];
}"""
GIVE = """([kind, content, name]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium())
        except BrowserError as error:
            pytest.skip(f"no browser here: {error}")
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the model inside."""
    return build_web_bundle(DEFAULT_MODEL, tmp_path_factory.mktemp("site") / "site", archive=web_archive()).folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a model that calls a red photo ``red``, and is sure of nothing else."""
    names = ("red", HOSTILE_NAME, "blue")
    return tiny_site(tmp_path_factory.mktemp("tiny") / "tiny", classes=names, temperature=4.0, threshold=0.8)


@pytest.fixture(scope="module")
def tiny_page(browser: "Browser", tiny: Path) -> Iterator[FlowerPage]:
    """The tiny model's page, ready; tests take it as they find it, and leave it able to answer."""
    with served(tiny) as server:
        context = new_context(browser)
        page = FlowerPage(context)
        page.open(server.address)
        yield page
        context.close()


def plain(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (60, 40), colour).save(path)
    return path


def test_a_photo_is_answered_without_a_network_too(browser: "Browser", site: Path, photo: Path, tmp_path: Path) -> None:
    expected = FlowerClassifier(device="cpu").predict(photo)
    context = new_context(browser)
    page = FlowerPage(context)
    with served(site) as server:
        page.open(server.address)
        page.wait_until_offline()
        online = page.classify(photo)
        address = server.address
    # The server has stopped, and the network is gone.
    context.set_offline(True)
    page.page.reload()
    page.wait_until_ready()
    assert page.state == "empty"
    offline = page.classify(photo)
    assert page.threads == THREADS
    context.close()
    for shown in (online, offline):
        assert shown.labels[0] == expected.best.label
        assert len(shown.labels) == 5
        assert abs(int(shown.shares[0].strip("<% ")) - 100 * expected.best.probability) < 3
        assert shown.milliseconds > 0
    assert online.headline.lower() == expected.best.label
    assert page.complaints == []
    # Nothing was sent anywhere: the page's own files were fetched, and that was all.
    assert len(page.requests) > 20
    assert [url for url in page.requests if not url.removeprefix("blob:").startswith(address)] == []


def test_twenty_photographs_are_named_as_python_names_them(browser: "Browser", site: Path, real_data: Path) -> None:
    paths = read_split(real_data, "test").paths
    photos = paths[:: len(paths) // 20][:20]
    classifier = FlowerClassifier(device="cpu")
    context = new_context(browser)
    page = FlowerPage(context)
    with served(site) as server:
        page.open(server.address)
        same = [page.classify(path).labels[0] == classifier.predict(path).best.label for path in photos]
    context.close()
    assert len(same) == 20
    assert sum(same) >= 19


def test_a_model_that_is_not_sure_says_so_and_its_names_are_text(tiny_page: FlowerPage, tmp_path: Path) -> None:
    sure = tiny_page.classify(plain(tmp_path / "red.png", (255, 0, 0)))
    assert sure.headline == "Red"
    assert "Perhaps no flower" not in tiny_page.page.inner_text("#verdict")
    unsure = tiny_page.classify(plain(tmp_path / "grey.png", (90, 99, 90)))
    assert unsure.headline == "Not sure"
    assert "Perhaps no flower" in tiny_page.page.inner_text("#verdict")
    assert unsure.labels == (HOSTILE_NAME, "red", "blue")
    assert tiny_page.page.locator("#candidates img").count() == 0
    # exp(0.09), 1, 1 of their sum: softmax with the temperature.
    weights = np.exp(np.array([99, 90, 90]) / 25 / 4)
    assert [int(share.strip("%")) for share in unsure.shares] == np.round(100 * weights / weights.sum()).tolist()


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe0 half a JPEG", b"<svg></svg>"])
def test_what_is_no_photo_is_said_and_the_next_is_answered(
    content: bytes, tiny_page: FlowerPage, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(BrowserError, match="no photo, or is damaged"):
        tiny_page.classify(tmp_path / "broken.jpg")
    assert tiny_page.page.locator("#candidates").is_hidden()
    assert tiny_page.page.locator("#photo").is_hidden()
    assert tiny_page.classify(plain(tmp_path / "blue.png", (0, 0, 255))).labels[0] == "blue"


def test_heic_has_words_of_its_own(tiny_page: FlowerPage, tmp_path: Path) -> None:
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(BrowserError, match="HEIC"):
        tiny_page.classify(tmp_path / "photo.HEIC")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_photos_are_dropped_and_pasted(kind: str, tiny_page: FlowerPage, tmp_path: Path) -> None:
    tiny_page.classify(plain(tmp_path / "red.png", (255, 0, 0)))
    content = base64.b64encode(plain(tmp_path / "blue.png", (0, 0, 255)).read_bytes()).decode()
    tiny_page.page.evaluate(GIVE, [kind, content, "blue.png"])
    assert tiny_page.answer().labels[0] == "blue"


def test_the_keyboard_suffices(tiny_page: FlowerPage, tmp_path: Path) -> None:
    page = tiny_page.page
    page.evaluate("document.activeElement.blur()")
    # The chooser is awaited from the start: what is asked of the page between makes sure that Playwright is listening.
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "file"
        assert page.evaluate("getComputedStyle(document.querySelector('.button')).outlineStyle") == "solid"
        page.keyboard.press("Enter")
    chooser.value.set_files(plain(tmp_path / "red.png", (255, 0, 0)))
    assert tiny_page.answer().labels[0] == "red"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Licences"


def test_a_screen_reader_is_told(tiny_page: FlowerPage, tmp_path: Path) -> None:
    tiny_page.classify(plain(tmp_path / "red.png", (255, 0, 0)))
    page = tiny_page.page
    assert page.get_by_label("Take or choose a photo").get_attribute("type") == "file"
    assert page.get_by_role("status").get_by_role("heading", name="red").count() == 1
    assert page.get_by_role("list", name="The five most likely flowers").get_by_role("listitem").count() == 3
    assert page.get_by_role("img", name="Your photo").count() == 1


def test_it_fits_a_thumb(tiny_page: FlowerPage, tmp_path: Path) -> None:
    page = tiny_page.page
    for colour in ((255, 0, 0), (90, 99, 90)):
        tiny_page.classify(plain(tmp_path / "photo.png", colour))
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for target in (".button", "a"):
            box = page.locator(target).bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["width"] >= 44
        button = page.locator(".button").bounding_box()
        assert button is not None
        assert button["y"] > 740 / 2  # in the half that a thumb reaches
        assert button["y"] + button["height"] <= 740


def test_text_can_be_read_in_light_and_dark(tiny_page: FlowerPage, tmp_path: Path) -> None:
    page = tiny_page.page
    tiny_page.classify(plain(tmp_path / "grey.png", (90, 99, 90)))
    pairs = [("--ink", "--paper"), ("--soft", "--paper"), ("--ink", "--card"), ("--soft", "--card"),
             ("--on-leaf", "--leaf"), ("--on-leaf", "--leaf-pressed"), ("--on-warning", "--warning")]  # fmt: skip
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(
            "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue(name).trim())",
            sorted({name for pair in pairs for name in pair}),
        )
        of = dict(zip(sorted({name for pair in pairs for name in pair}), colours, strict=True))
        for text, ground in pairs:
            assert contrast(of[text], of[ground]) >= 4.5, (scheme, text, ground)
        assert contrast(of["--leaf"], of["--paper"]) >= 3
    page.emulate_media(color_scheme="light")


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours like ``#12ab9f``."""
    lights = []
    for colour in (one, other):
        channels = np.array([int(colour[index : index + 2], 16) for index in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


def browser_reads(page: FlowerPage, content: bytes, rule: Preprocessing) -> np.ndarray:
    """The network's input as the page makes it: uint8, shape (size, size, 3)."""
    made = page.page.evaluate(READ_PHOTO, [base64.b64encode(content).decode(), rule.to_dict()])
    return np.array(made, np.uint8).reshape(rule.size, rule.size, 3)


def encoded(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "height", "rule"),
    [
        (300, 401, Preprocessing(size=96)),
        (1, 1, Preprocessing(size=16)),
        (700, 31, Preprocessing(size=64, crop_pct=1.0)),
        (640, 333, Preprocessing(size=128, crop_pct=0.77, interpolation="bilinear")),
    ],
)
def test_resampling_is_pillows_to_the_bit(width: int, height: int, rule: Preprocessing, tiny_page: FlowerPage) -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert np.array_equal(browser_reads(tiny_page, encoded(image, format="PNG"), rule), rule.crop(image))


def test_transparent_pictures_lie_on_white(tiny_page: FlowerPage) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    content, rule = encoded(image, format="PNG"), Preprocessing(size=32, crop_pct=1.0)
    assert np.array_equal(browser_reads(tiny_page, content, rule), rule(content))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright(orientation: int, tiny_page: FlowerPage) -> None:
    image = draw_flower(2, np.random.default_rng(3), 300).resize((384, 304))
    image.paste((255, 0, 0), (60, 60, 110, 90))  # so that no orientation looks like another
    exif = Image.Exif()
    exif[0x0112] = orientation
    content, rule = encoded(image, format="JPEG", quality=95, subsampling=0, exif=exif), Preprocessing(size=64)
    assert np.abs(browser_reads(tiny_page, content, rule).astype(int) - rule(content)).mean() < 1


def test_a_phones_photo_is_halved_as_pillow_halves_it(tiny_page: FlowerPage) -> None:
    # 12 megapixels, and sides that no block of eight divides.
    image = draw_flower(3, np.random.default_rng(4), 100).resize((4001, 3003), Image.Resampling.BICUBIC)
    content, rule = encoded(image, format="JPEG", quality=90), Preprocessing()
    difference = np.abs(browser_reads(tiny_page, content, rule).astype(int) - rule(content))
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 4


def test_a_browser_that_cannot_is_told_so(browser: "Browser", tiny: Path) -> None:
    context = new_context(browser)
    context.add_init_script("delete window.OffscreenCanvas; WebAssembly.validate = () => false;")
    page = FlowerPage(context)
    with served(tiny) as server, pytest.raises(BrowserError, match="no WebAssembly SIMD, OffscreenCanvas"):
        page.open(server.address)
    assert page.page.locator("#file").is_disabled()
    context.close()


def test_a_model_that_arrives_damaged_is_not_used(browser: "Browser", tiny: Path) -> None:
    context = new_context(browser)
    context.route("**/*.ort.gz", lambda route: route.fulfill(body=b"half of it"))
    page = FlowerPage(context)
    with served(tiny) as server, pytest.raises(BrowserError, match=r"tiny\.ort\.gz arrived damaged"):
        page.open(server.address)
    context.close()


def test_any_server_will_do_and_the_second_visit_has_threads(browser: "Browser", tiny: Path) -> None:
    context = new_context(browser)
    page = FlowerPage(context)
    with served(tiny, isolated=False) as server:
        page.open(server.address)
        assert page.threads == 1
        page.wait_until_offline()
        page.page.reload()
        page.wait_until_ready()
        assert page.page.evaluate("crossOriginIsolated")
        assert page.threads == THREADS
    context.close()


# Chromium sometimes loses the visit that falls into the service worker's change, and waits for it without end.
@pytest.mark.slow
def test_a_new_bundle_takes_over_and_clears_up(browser: "Browser", tiny: Path, tmp_path: Path) -> None:
    newer = tiny_site(tmp_path / "newer", classes=("rose", "fern", "iris"))
    red = plain(tmp_path / "red.png", (255, 0, 0))
    context = new_context(browser)
    page = FlowerPage(context)
    with served(tiny) as server:
        page.open(server.address)
        page.wait_until_offline()
        assert page.classify(red).labels[0] == "red"
        before = page.page.evaluate("caches.keys()")
        # The new one is fetched whole beside the old one, which goes on answering.
        server.folder = newer
        page.page.evaluate("navigator.serviceWorker.ready.then(registration => registration.update())")
        wait_for_update(page, waiting=True)
        assert page.classify(red).labels[0] == "red"
        address = server.address
    context.set_offline(True)
    page.page.goto("about:blank")  # Nothing holds the old one any more.
    page.page.goto(address)
    wait_for_update(page, waiting=False)
    page.page.reload()
    page.wait_until_ready()
    assert page.classify(red).labels[0] == "rose"
    after = page.page.evaluate("caches.keys()")
    assert len(after) == 3
    # The engine is the same file, and stays.
    assert len(set(before) & set(after)) == 1
    context.close()


def wait_for_update(page: FlowerPage, *, waiting: bool) -> None:
    """Until a newer service worker waits for the page to be left, or until none does any more."""
    page.page.evaluate(
        """async (waiting) => {
          const registration = await navigator.serviceWorker.ready;
          while ((registration.waiting !== null) !== waiting || registration.installing) {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }""",
        waiting,
    )
