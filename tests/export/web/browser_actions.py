"""What the tests of the page do in the browser, and what they compare it with."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environments.browser import FlowerPage
from runtime.photos.preprocessing import Preprocessing

READ_PHOTO = """async ([content, preprocessing]) => {
  const { readPhoto } = await import("./photo.js");
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const pixels = await readPhoto(new File([bytes], "photo"), preprocessing);
  return [...pixels];
}"""
DROP_OR_PASTE = """([kind, content, name]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""
WAIT_FOR_UPDATE = """async (waiting) => {
  const registration = await navigator.serviceWorker.ready;
  while ((registration.waiting !== null) !== waiting || registration.installing) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""


def save_plain_photo(path: Path, colour: tuple[int, int, int]) -> Path:
    """Write a photo of one colour and return its path."""
    Image.new("RGB", (60, 40), colour).save(path)
    return path


def encode_image(image: Image.Image, **options: Any) -> bytes:
    """Return ``image`` as a file, with the ``options`` of `PIL.Image.Image.save`."""
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def drop_or_paste(page: FlowerPage, kind: str, photo: Path) -> None:
    """Give the page a photo without its file chooser.

    Args:
        page: the page.
        kind: ``drop`` or ``paste``.
        photo: the file.
    """
    content = base64.b64encode(photo.read_bytes()).decode()
    page.page.evaluate(DROP_OR_PASTE, [kind, content, photo.name])


def read_in_browser(page: FlowerPage, content: bytes, rule: Preprocessing) -> np.ndarray:
    """Return the network's input that the page makes of a photo: uint8, shape (size, size, 3)."""
    pixels = page.page.evaluate(READ_PHOTO, [base64.b64encode(content).decode(), rule.to_dict()])
    return np.array(pixels, np.uint8).reshape(rule.size, rule.size, 3)


def wait_for_update(page: FlowerPage, *, waiting: bool) -> None:
    """Wait until a newer service worker waits for the page to be closed, or until none waits any more."""
    page.page.evaluate(WAIT_FOR_UPDATE, waiting)


def contrast_ratio(one: str, other: str) -> float:
    """Return the contrast ratio of two colours like ``#12ab9f`` (WCAG 2.2, "contrast ratio"), 1 to 21."""
    luminances = []
    for colour in (one, other):
        channels = np.array([int(colour[index : index + 2], 16) for index in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        luminances.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(luminances) / min(luminances)
