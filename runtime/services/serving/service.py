"""The service from its start to its stop: the socket, the signals, the service manager, and what is said."""

import asyncio
import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError
from runtime.services.serving.application import FlowerService
from runtime.services.serving.connection import MAX_HEAD_BYTES, limited_connection
from runtime.services.serving.edge import Edge
from runtime.services.serving.finishing import Extend, OnAnswer
from runtime.services.serving.settings import ServeSettings
from runtime.services.systemd.messages import notify, sign_of_life_s

KEEP_ALIVE_S = 5
"""Seconds for which a connection stays open after an answer."""
LOCALHOST = "127.0.0.1"
BACKLOG = 128
"""Connections that the system holds before they are accepted."""
CHECK_S = 0.05
"""Seconds between two looks at what is still to be done before the stop."""
ANSWER_SHARE, UPLOAD_SHARE, CLOSE_SHARE = 0.8, 0.3, 0.1
"""Shares of the seconds of the stop: until all photos are answered, until they have arrived, and, after the answers,
until connections are closed."""
LOGGERS = ("uvicorn.error", "asyncio", "python_multipart")
"""Loggers of the libraries. Some of their warnings are about what a client sent, so a client could fill the journal."""
SAID_AGAIN_S = 60.0
"""Seconds in which the same message is not said again."""


class Service:
    """One run of the service; the arguments are those of `runtime.services.serving.serve.serve`.

    Raises:
        FlowerError: the address cannot be used.
    """

    def __init__(
        self,
        classifier: FlowerClassifier,
        settings: ServeSettings,
        say: Callable[[str], None],
        description: Mapping[str, Any],
        on_answer: OnAnswer | None = None,
        extend: Extend | None = None,
    ) -> None:
        self._settings = settings
        self._say = seldom(say)
        self._announce = say
        self._socket = listen(settings.host, settings.port)
        self._flowers = FlowerService(classifier, settings, self._say, description, on_answer, extend)
        self._stopping: asyncio.Task[None] | None = None
        config = Config(
            Edge(self._flowers.application(), settings, self._flowers.metrics.count_request),
            http=limited_connection(settings), h11_max_incomplete_event_size=MAX_HEAD_BYTES, loop="asyncio",
            ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False, proxy_headers=False,
            server_header=False, backlog=BACKLOG, timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(CLOSE_SHARE * settings.stop_seconds),
        )  # fmt: skip
        self._server = _Server(config, self._ready, self._handle_signal)

    @property
    def address(self) -> str:
        """The address under which the service is reached from this computer."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def run(self) -> None:
        """Serve until the stop, and return when it is complete."""
        try:
            with self._messages():
                asyncio.run(self._run())
            self._flowers.end(CHECK_S)  # no request waits any more
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Begin the stop, from any thread. The second call ends without waiting for answers."""
        self._loop.call_soon_threadsafe(self._stop)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._say_error)
        watchdog = asyncio.create_task(self._give_signs_of_life())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            watchdog.cancel()

    def _ready(self) -> None:
        self._announce(f"{self.address}  (stop with Ctrl-C)")
        notify("READY=1")

    def _handle_signal(self) -> None:
        self.stop()

    def _stop(self) -> None:
        if self._stopping is not None:
            self._server.force_exit = self._server.should_exit = True
            return
        notify("STOPPING=1")
        self._flowers.stop(UPLOAD_SHARE * self._settings.stop_seconds)
        self._stopping = asyncio.create_task(self._finish_answers())

    async def _finish_answers(self) -> None:
        """Let the server end when all photos are answered. Until then it answers that it is stopping."""
        try:
            latest = time.monotonic() + ANSWER_SHARE * self._settings.stop_seconds
            while self._flowers.held and time.monotonic() < latest:
                await asyncio.sleep(CHECK_S)
            if self._flowers.held:
                self._announce(f"{self._flowers.held} photos could not be answered before the stop")
        finally:
            self._server.should_exit = True

    async def _give_signs_of_life(self) -> None:
        interval = sign_of_life_s()
        while True:
            try:
                if self._flowers.is_moving():
                    notify("WATCHDOG=1")
            except Exception as error:  # the next one may be sent
                self._say(one_line("the service manager got no sign of life", error))
            await asyncio.sleep(interval)

    def _say_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._say(one_line(str(context["message"]), error))

    @contextmanager
    def _messages(self) -> Iterator[None]:
        """Let errors of the libraries be said as one line each, and nothing else of what they log."""
        loggers = [logging.getLogger(name) for name in LOGGERS]
        before = [(logger.level, logger.propagate) for logger in loggers]
        handler = _Sayer(self._say)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
            logger.propagate = False
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(level)
                logger.propagate = propagate


class _Server(Server):
    """uvicorn's server, whose signals and start are handled by the service."""

    def __init__(self, config: Config, ready: Callable[[], None], handle_signal: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._handle_signal = ready, handle_signal

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # It is not recorded: uvicorn would raise recorded signals again after the stop.
        self._handle_signal()


class _Sayer(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, asyncio.CancelledError):  # a request that did not end before the stop
            self._say(one_line(record.getMessage(), error))


def one_line(message: str, error: BaseException | None) -> str:
    """Return a message and its error as one line."""
    reason = f" ({type(error).__name__}: {error})" if error is not None else ""
    return " ".join(f"{message.strip()}{reason}".split())


def seldom(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that shows a line, but the same line only once in `SAID_AGAIN_S` seconds.

    Threads may share it.
    """
    said: dict[str, float] = {}
    lock = threading.Lock()

    def say_seldom(line: str) -> None:
        now = time.monotonic()
        with lock:
            for old in [each for each, since in said.items() if now - since > SAID_AGAIN_S]:
                del said[old]
            is_new = line not in said
            if is_new:
                said[line] = now
        if is_new:
            say(line)

    return say_seldom


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Args:
        host: an address, or a name, of which the first address is taken. ``localhost`` is 127.0.0.1: which address the
            system puts first differs, and clients that try one only try this one.
        port: 0 chooses a free one.

    Raises:
        FlowerError: the address is not there or in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            LOCALHOST if host == "localhost" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With this protocol, asyncio sets TCP_NODELAY. Without it, the body of an answer waits up to 40 ms for the
        # client's acknowledgement of its head.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if sys.platform != "win32":  # there it would let two processes use one port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        raise FlowerError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); choose another with --port"
        ) from None
    return bound
