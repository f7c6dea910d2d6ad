"""What holds for every request, whatever its path: which names and pages may use the service, and unread bodies."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.services.serving.settings import ServeSettings

LINGER_S = 2.0
"""Seconds in which the rest of a body that is not needed may arrive, before the connection is closed. If it were closed
at once, the client could lose the answer: the system drops what was sent when unread bytes are left."""
GONE = 499
"""The status under which requests are counted whose client closed the connection. nginx uses the same."""


class Edge:
    """The outermost application.

    Args:
        app: answers the requests.
        settings: of the service.
        count: is called with the status of each answer.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, count: Callable[[int], None]) -> None:
        self._app, self._count = app, count
        self._has_token = settings.token is not None
        self._knows_names = settings.is_local or bool(settings.hosts)
        own = (settings.host, socket.gethostname(), f"{socket.gethostname()}.local", *settings.hosts)
        self._names = {"localhost", *(name.lower() for name in own)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = _Body(scope, receive)
        close = False

        async def send_and_linger(message: Message) -> None:
            nonlocal close
            if message["type"] == "http.response.start":
                self._count(message["status"])
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
                if close := not body.is_complete:
                    headers["Connection"] = "close"
            elif close and not message.get("more_body", False):
                # The client gets the whole answer here: its length is known.
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        app = self._app
        if (reason := self._foreign(scope["method"], Headers(scope=scope))) is not None:
            app = JSONResponse({"error": reason}, status_code=403)
        await app(scope, body.receive, send_and_linger)

    def _foreign(self, method: str, headers: Headers) -> str | None:
        """Return why a request is refused, None if it is not.

        Without a token, a page of any other site could let the visitor's browser use a service in the visitor's
        network: directly, or under its own name that it lets point there (DNS rebinding).
        """
        if self._has_token:
            return None
        host = headers.get("host", "")
        if self._knows_names and not self._is_own(host):
            return f"{host[:100]!r} is no name of this service; use localhost or the address"
        origin = headers.get("origin")
        other_site = origin is not None and origin.partition("://")[2].lower() != host.lower()
        other_site = other_site or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if other_site and method not in ("GET", "HEAD"):  # browsers show the answers of these to no other page
            return "pages of other sites cannot use this service"
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        with suppress(ValueError):  # an address is no name that could be pointed elsewhere
            ipaddress.ip_address(name)
            return True
        return False


class _Body:
    """The body of a request, and whether it was read to its end."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self.is_complete = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        # Such a client sends the body only after it was asked to.
        self._waits = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        self._waits = False
        message = await self._receive()
        self.is_complete = self.is_complete or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read the rest of the body and drop it, as long as that takes `LINGER_S` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not self.is_complete and not self._waits:
                    await self.receive()


async def wait_until_gone(request: Request) -> None:
    """Return when the client has closed the connection. The body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
