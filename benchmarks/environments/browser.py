"""The page of the web bundle in Chromium, driven by Playwright as a user would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import FlowerError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # the sandbox does not start for root; only pages of this project are opened
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # No name of another machine resolves, so neither the page nor the browser's own services use a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
PHONE, DESKTOP = (360, 740), (1280, 800)
"""Viewports in CSS pixels."""
READY_TIMEOUT_S, ANSWER_TIMEOUT_S = 90, 60


class BrowserError(FlowerError):
    """There is no browser, or the page shows an error."""


@dataclass(frozen=True)
class PageAnswer:
    """What the page shows for one photo."""

    verdict: str
    """``name``, ``between`` or ``unfamiliar``."""
    headline: str
    labels: tuple[str, ...]
    """Names of the candidates, the most probable first."""
    shares: tuple[str, ...]
    """Probabilities as text, for example ``93%``."""
    milliseconds: float
    """From the file to the answer, in the page's worker."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start Chromium without a window; it ends with the context.

    Raises:
        BrowserError: Chromium or Playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise BrowserError("Playwright is not installed; run: pip install 'flower-edge[browser]'") from None
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise BrowserError("Chromium is not installed; on Debian, run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: "Browser", viewport: tuple[int, int] = PHONE, *, dark: bool = False) -> "BrowserContext":
    """Return a new browser profile with empty caches.

    Args:
        browser: Chromium.
        viewport: width and height in CSS pixels.
        dark: whether the user prefers dark colours.
    """
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
        """Addresses that the tab, its workers and its service worker requested."""
        self.console_errors: list[str] = []
        """Errors and warnings on the browser's console, for example of the Content-Security-Policy."""
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def open(self, address: str) -> None:
        """Load the page and wait until the model is ready."""
        self.page.goto(address)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the model is ready.

        Raises:
            BrowserError: the page shows an error.
        """
        self._wait_for("body[data-ready-milliseconds]", READY_TIMEOUT_S)

    def wait_until_offline(self) -> None:
        """Wait until the service worker has stored everything that the page needs without a network."""
        self.page.wait_for_selector("body[data-offline=yes]", timeout=1000 * READY_TIMEOUT_S, state="attached")

    def classify(self, photo: Path) -> PageAnswer:
        """Choose a photo in the page and wait for the answer."""
        self.page.set_input_files("#file", photo)
        return self.answer()

    def answer(self) -> PageAnswer:
        """Wait for the answer to the photo that was chosen last.

        Raises:
            BrowserError: the page shows an error.
        """
        self._wait_for("body[data-state=answered]", ANSWER_TIMEOUT_S)
        return PageAnswer(
            verdict=self.page.get_attribute("body", "data-verdict") or "",
            headline=self.page.inner_text("#verdict h2"),
            labels=tuple(item.get_attribute("data-label") or "" for item in self.page.locator("#candidates li").all()),
            shares=tuple(self.page.locator("#candidates .share").all_text_contents()),
            milliseconds=float(self.page.get_attribute("body", "data-milliseconds") or "nan"),
        )

    @property
    def state(self) -> str:
        """The page's state: ``empty``, ``busy``, ``answered`` or ``failed``."""
        return self.page.get_attribute("body", "data-state") or ""

    @property
    def status(self) -> str:
        """The text of the status line."""
        return self.page.inner_text("#status")

    @property
    def threads(self) -> int:
        """Number of threads that the network runs on."""
        return int(self.page.get_attribute("body", "data-threads") or 0)

    @property
    def ready_milliseconds(self) -> float:
        """Milliseconds from the start of the worker until the model is ready."""
        return float(self.page.get_attribute("body", "data-ready-milliseconds") or "nan")

    def _wait_for(self, selector: str, seconds: float) -> None:
        """Wait until ``selector`` matches, or raise `BrowserError` if the page shows an error."""
        self.page.wait_for_selector(f"{selector}, body[data-state=failed]", timeout=1000 * seconds, state="attached")
        if self.state == "failed":
            raise BrowserError(f"the page shows an error: {self.status}")

    def _note(self, level: str, text: str) -> None:
        if level in ("error", "warning"):
            self.console_errors.append(text)
