"""One connection: uvicorn's, with time limits that uvicorn does not have, and with a limit of their number."""

import asyncio
import json

from uvicorn.protocols.http.h11_impl import H11Protocol

from runtime.services.serving.settings import ServeSettings

STALLED_S = 30.0
"""Seconds in which a client must take a part of the answer."""
REFUSED_S = 1.0
"""Seconds in which a client that is refused can read why."""
MAX_HEAD_BYTES = 16 * 1024
"""Largest head of a request, in bytes."""


def _whole_answer(status: str, error: str, *headers: str) -> bytes:
    body = json.dumps({"error": error}).encode()
    lines = [
        f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close",
        *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


BUSY = _whole_answer("503 Service Unavailable", "too many connections; try again later", "Retry-After: 5")
INVALID = _whole_answer("400 Bad Request", "the request is not valid HTTP")


class LimitedConnection(H11Protocol):
    """A connection that is closed if a request does not arrive in time or an answer is not taken.

    uvicorn itself closes connections that are idle after an answer. It waits for ever for the first request, and for
    the rest of a head of which a part has arrived.
    """

    head_seconds: float
    max_connections: int
    _timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit of the first request, or refuse the connection."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self.max_connections:
            transport.abort()
        elif len(self.connections) > self.max_connections:
            self._refused = True
            transport.write(BUSY)
            self._end_after(REFUSED_S)
        else:
            self._end_after(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limits."""
        self._end_after(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client. A request that is complete up to its body has no time limit here."""
        if self._refused:
            return
        super().data_received(data)
        if self._is_answering():
            self._end_after(None)

    def on_response_complete(self) -> None:
        """Start the time limit of the next request."""
        super().on_response_complete()  # may begin with a next request that has arrived already
        if not self._is_answering():
            self._end_after(self.head_seconds)

    def pause_writing(self) -> None:
        """Start the time limit of a client that does not take its answer."""
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that time limit."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in JSON as all errors."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(INVALID)
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_after(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Not close(), which waits until the client has taken what was sent.
        self._timer = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


def limited_connection(settings: ServeSettings) -> type[LimitedConnection]:
    """Return the class of the connections of a service with these ``settings``."""

    class Connection(LimitedConnection):
        head_seconds = settings.head_seconds
        max_connections = settings.connections

    return Connection
