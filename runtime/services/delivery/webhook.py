"""A web address that gets each answer as JSON (HTTP POST)."""

import os
import ssl
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from socket import SHUT_RDWR
from threading import Timer
from time import time
from urllib.parse import urlsplit

from runtime.distribution import __version__
from runtime.errors import FlowerError
from runtime.services.delivery.event import AnswerEvent, DeliveryError

TOKEN_VARIABLE = "FLOWER_EDGE_WEBHOOK_TOKEN"  # noqa: S105
"""The environment variable with the token for ``Authorization: Bearer``."""
TIMEOUT_S = 15.0
"""Seconds to wait for a connection, and for each part of a response."""
TOTAL_S = 60.0
"""Seconds after which the connection is closed, however much of the response arrived."""
MAX_BODY_BYTES = 65_536
"""Most bytes of a response that are read."""
PASSING_STATUSES = {408, 425, 429}
"""Client errors that say: later. So do all statuses from 500 up, and redirects."""


class WebhookReceiver:
    """Sends events to a web address. Each event has a connection of its own. Redirects are not followed.

    Args:
        url: ``http://…`` or ``https://…``, without user and password.
        timeout_s: see `TIMEOUT_S`.
        total_s: see `TOTAL_S`.

    Raises:
        FlowerError: the address or the token is not valid.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, total_s: float = TOTAL_S) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise FlowerError("the web address for answers is not valid; write https://HOST/PATH") from None
        if parts.username is not None or parts.password is not None:
            raise FlowerError(
                "the web address for answers has a user or a password, which every user of this machine can see; put a "
                f"token into the environment variable {TOKEN_VARIABLE}"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise FlowerError("the web address for answers must be http://HOST/PATH or https://HOST/PATH")
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not (self._target.isascii() and self._target.isprintable() and " " not in self._target):
            raise FlowerError("the web address for answers has characters that must be written as %XX")
        self._host, self._port, self._secure = parts.hostname, port, parts.scheme == "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        # The path may hold a secret, as that of Home Assistant's and of chat programs' webhooks does.
        self.name = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
        self._timeout_s, self._total_s = timeout_s, total_s
        self._tls = ssl.create_default_context() if self._secure else None
        token = os.environ.get(TOKEN_VARIABLE, "")
        if not (token.isascii() and token.isprintable()):
            raise FlowerError(f"the token in {TOKEN_VARIABLE} has characters that cannot be sent")
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    def start(self) -> None:
        """Do nothing: there is no connection between events."""

    def deliver(self, event: AnswerEvent) -> None:
        """Send an event. A status of 200 to 299 means that it was taken."""
        connection = (
            HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
            if self._tls is not None
            else HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        )
        # A server that sends one byte now and then would never run into the timeout of a single read.
        watch = Timer(self._total_s, _shut_down, (connection,))
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", self._target, event.to_json().encode(), {
                "Content-Type": "application/json",
                "Idempotency-Key": event.id,
                "User-Agent": f"flower-edge/{__version__}",
                "Connection": "close",
                **self._authorization,
            })  # fmt: skip
            response = connection.getresponse()
            status, headers = response.status, response.headers
            with suppress(OSError, HTTPException):  # the status has said everything
                response.read(MAX_BODY_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"the certificate is not trusted ({error.verify_message})", passing=True) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DeliveryError(f"cannot be reached ({reason})", passing=True) from None
        finally:
            watch.cancel()
            connection.close()
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise DeliveryError(
                f"answered with status {status}, a redirect, which is not followed; give the address that it leads to",
                passing=True,
            )
        passing = status >= 500 or status in PASSING_STATUSES
        raise DeliveryError(
            f"answered with status {status}", passing=passing, retry_after_s=_retry_after(headers) if passing else 0
        )

    def close(self) -> None:
        """Do nothing: there is no connection between events."""


def _shut_down(connection: HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # not connected, or closed at the same time
        connection.sock.shutdown(SHUT_RDWR)


def _retry_after(headers: HTTPMessage) -> float:
    """Return the seconds that ``Retry-After`` asks for, as a number or a date; 0 if it is missing or wrong."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError, OSError):
        return 0.0
