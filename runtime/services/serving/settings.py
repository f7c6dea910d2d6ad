"""Settings of the HTTP service, and its token."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from runtime.answers.answer import check_top
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.photos.limits import MAX_BYTES

TOKEN_VARIABLE = "FLOWER_EDGE_TOKEN"  # noqa: S105 (the name of a variable, not a token)
"""The environment variable that holds the token, if no file does."""
MIN_TOKEN_LENGTH = 16
MAX_TOKEN_BYTES = 4096
MAX_SECONDS = 3600
PAGE_FILES = ("index.html", "model.json")
"""Files that every web bundle has (`export.web`)."""


@dataclass(frozen=True)
class ServeSettings:
    """How the service listens, and its limits.

    Raises:
        FlowerError: a value is out of range, the page is no web bundle, or the service would listen beyond this
            computer without a token.
    """

    host: str = "127.0.0.1"
    """The address or name to listen on. ``0.0.0.0`` and ``::`` are all addresses of this computer,
    ``localhost`` is 127.0.0.1."""
    port: int = 8000
    """0 chooses a free one."""
    token: str | None = field(default=None, repr=False)
    """What a request must carry as ``Authorization: Bearer TOKEN``; None for no token."""
    allow_anyone: bool = False
    """Listen beyond this computer without a token."""
    hosts: tuple[str, ...] = ()
    """Further names under which requests without a token may reach the service, for example that of a reverse proxy.
    Beyond this computer, every name is allowed if none is given."""
    page: Path | None = None
    """The folder of a web bundle, which is served at ``/``."""
    top: int = 5
    """Classes in an answer, unless the request says how many."""
    queue: int = 32
    """Most photos that are being received, or whose answer is not yet made and handed on."""
    queue_bytes: int = MAX_BYTES
    """Most bytes of these photos together. With the memory for decoding, that fits into 512 MB."""
    body_bytes: int = MAX_BYTES
    """Largest photo, in bytes."""
    body_seconds: float = 30.0
    """Seconds in which a photo must arrive."""
    head_seconds: float = 10.0
    """Seconds in which the head of a request must arrive, counted from the connection or the answer before."""
    connections: int = 128
    """Most connections at a time."""
    stop_seconds: float = 30.0
    """Seconds in which the service ends after SIGTERM or Ctrl-C."""

    def __post_init__(self) -> None:
        check_top(self.top)
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise FlowerError(f"{self.host!r} is no address to listen on; use 127.0.0.1 for this computer only")
        _check_whole("the port", self.port, 0, 65_535)
        _check_whole("the length of the queue", self.queue, 1, 10_000)
        _check_whole("the largest photo, in bytes,", self.body_bytes, 1, MAX_BYTES)
        _check_whole("the size of the queue, in bytes,", self.queue_bytes, self.body_bytes, 2**40)
        _check_whole("the number of connections", self.connections, 1, 100_000)
        _check_seconds("a photo", self.body_seconds)
        _check_seconds("the head of a request", self.head_seconds)
        _check_seconds("the stop", self.stop_seconds)
        if self.token is not None:
            _check_token(self.token, "the token")
        elif not self.is_local and not self.allow_anyone:
            raise FlowerError(
                f"{self.host} can be reached from other computers: give a token with --token-file or "
                f"{TOKEN_VARIABLE}, or --allow-anyone"
            )
        if self.page is not None:
            _check_page(self.page)

    @property
    def is_local(self) -> bool:
        """Whether only this computer can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_token(file: Path | None = None) -> str | None:
    """Return the token from a file, or from the environment variable `TOKEN_VARIABLE`; None if there is neither.

    Args:
        file: holds the token and nothing else but white space around it.

    Raises:
        FlowerError: the file cannot be read, or what it or the variable holds is no token.
    """
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE)
        return None if token is None else _check_token(token.strip(), TOKEN_VARIABLE)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise FlowerError(f"{file}: the token cannot be read ({error.strerror or error})") from None
    return _check_token(content.decode("latin-1").strip(), str(file))


def _check_token(token: str, place: str) -> str:
    """Return ``token`` if it can be one. No message holds the token itself."""
    printable = token.isascii() and token.isprintable() and " " not in token
    if not printable or not MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_BYTES:
        raise FlowerError(
            f"{place}: a token has at least {MIN_TOKEN_LENGTH} letters, digits and signs of ASCII and no spaces; "
            "make one with: openssl rand -hex 32"
        )
    return token


def _check_page(folder: Path) -> None:
    for name in PAGE_FILES:
        if not (folder / name).is_file():
            command = f"{module_command('export')} web --output {folder}"
            raise FlowerError(f"{folder}: not a web bundle, {name} is missing; make one with: {command}")


def _check_whole(name: str, value: int, smallest: int, largest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= largest:
        raise FlowerError(f"{name} must be a whole number from {smallest:,} to {largest:,}, not {value!r}")


def _check_seconds(name: str, seconds: float) -> None:
    if not 0 < seconds <= MAX_SECONDS:
        raise FlowerError(f"the time for {name} must be more than 0 and at most {MAX_SECONDS} seconds, not {seconds!r}")
