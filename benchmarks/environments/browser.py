"""The web bundle in a real browser: the system's Chromium, driven by Playwright as a person would use the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import FlowerError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # which root may not have; the only pages it opens are ours
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Whatever asks for another machine's name, the browser's own services included, is told that there is none.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
PHONE, DESKTOP = (360, 740), (1280, 800)
"""Viewports in CSS pixels."""
READY_S, ANSWER_S = 90, 60


class BrowserError(FlowerError):
    """No browser here, or the page in it did not do what it should."""


@dataclass(frozen=True)
class Shown:
    """What the page shows of one photo."""

    headline: str
    labels: tuple[str, ...]
    """The candidates' names, the most likely first."""
    shares: tuple[str, ...]
    """As they are written, for example ``93%``."""
    milliseconds: float
    """That the worker took, from the file to the answer."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Chromium, headless, for as long as the context lasts.

    Raises:
        BrowserError: it, or Playwright, is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise BrowserError("Playwright is not installed; run: pip install 'flower-edge[browser]'") from None
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise BrowserError("Chromium is not installed; on Debian, run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: "Browser", viewport: tuple[int, int] = PHONE, *, dark: bool = False) -> "BrowserContext":
    """A browser profile that has never seen the page, in a window of ``viewport``."""
    width, height = viewport
    return browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if viewport == PHONE else 1,
        color_scheme="dark" if dark else "light",
        is_mobile=viewport == PHONE,
        has_touch=viewport == PHONE,
    )


class FlowerPage:
    """The bundle's page in one tab."""

    def __init__(self, context: "BrowserContext") -> None:
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        """Addresses that the tab, its workers and its service worker asked for."""
        self.complaints: list[str] = []
        """What the browser's console holds: refused by the Content-Security-Policy, not found, uncaught."""
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def open(self, address: str) -> None:
        """Load the page, and wait until the model is ready."""
        self.page.goto(address)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for the model.

        Raises:
            BrowserError: the page says that it will not be.
        """
        self.page.wait_for_selector(
            "body[data-ready-milliseconds], body[data-state=failed]", timeout=1000 * READY_S, state="attached"
        )
        if self.state == "failed":
            raise BrowserError(f"the page says: {self.status}")

    def wait_until_offline(self) -> None:
        """Wait until all that the page needs without a network is kept."""
        self.page.wait_for_selector("body[data-offline=yes]", timeout=1000 * READY_S, state="attached")

    def classify(self, photo: Path) -> Shown:
        """Choose a photo, and wait for the answer."""
        self.page.set_input_files("#file", photo)
        return self.answer()

    def answer(self) -> Shown:
        """Wait for the answer to the photo that the page has been given.

        Raises:
            BrowserError: the page says that there is none.
        """
        self.page.wait_for_selector(
            "body[data-state=answered], body[data-state=failed]", timeout=1000 * ANSWER_S, state="attached"
        )
        if self.state == "failed":
            raise BrowserError(f"the page says: {self.status}")
        return Shown(
            headline=self.page.inner_text("#verdict h2"),
            labels=tuple(self.page.locator("#candidates .name").all_text_contents()),
            shares=tuple(self.page.locator("#candidates .share").all_text_contents()),
            milliseconds=float(self.page.get_attribute("body", "data-milliseconds") or "nan"),
        )

    @property
    def state(self) -> str:
        """``empty``, ``busy``, ``answered`` or ``failed``."""
        return self.page.get_attribute("body", "data-state") or ""

    @property
    def status(self) -> str:
        """What the status line says."""
        return self.page.inner_text("#status")

    @property
    def threads(self) -> int:
        """That the network runs on."""
        return int(self.page.get_attribute("body", "data-threads") or 0)

    @property
    def ready_milliseconds(self) -> float:
        """From the worker's start to a model that is ready."""
        return float(self.page.get_attribute("body", "data-ready-milliseconds") or "nan")

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)
