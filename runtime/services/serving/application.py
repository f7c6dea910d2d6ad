"""The paths of the service, and what each answers."""

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from runtime.answers.answer import Answer, answer_to_dict
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, PhotoError, UnreadableError
from runtime.photos.formats import HAS_HEIC
from runtime.photos.structure.heif_brands import is_heic
from runtime.services.serving.admission import Admission, BusyError, Place
from runtime.services.serving.answering import AnsweringThread
from runtime.services.serving.edge import GONE, wait_until_gone
from runtime.services.serving.finishing import Extend, FinishingThread, OnAnswer
from runtime.services.serving.metrics import CONTENT_TYPE, Metrics
from runtime.services.serving.openapi import openapi_document
from runtime.services.serving.page import BundleFiles
from runtime.services.serving.settings import ServeSettings
from runtime.services.serving.upload import FORM_BYTES, Upload, UploadDeadlines

LONGEST_RETRY_S = 60
"""Most seconds after which a client is told to try again."""
Handler = Callable[[Request], Awaitable[Response]]


OVERVIEW = """\
flower-edge names the flower in a photo.

  curl -F photo=@rose.jpg {address}/classify

GET /health, /model, /metrics, /openapi.json
"""


class FlowerService:
    """Answers requests. All methods run in the event loop.

    Args:
        classifier: names the flowers.
        settings: of the service.
        say: shows a line to the user.
        description: of the model, as JSON values.
        on_answer: gets each answer before it is sent; None if nothing does.
        extend: adds to the JSON values of an answer; None adds nothing.
    """

    def __init__(
        self,
        classifier: FlowerClassifier,
        settings: ServeSettings,
        say: Callable[[str], None],
        description: Mapping[str, Any],
        on_answer: OnAnswer | None,
        extend: Extend | None,
    ) -> None:
        self._settings, self._say = settings, say
        self._classes = len(classifier.classes)
        self._model = dict(description)
        self._document = openapi_document(classifier.classes, settings)
        self._admission = Admission(settings.queue, settings.queue_bytes + FORM_BYTES)
        self._uploads = UploadDeadlines(settings.body_seconds)
        self.metrics = Metrics(lambda: self.held)
        self._answering = AnsweringThread(classifier)
        self._finishing = FinishingThread(on_answer, extend, say)
        self.stopping = False

    @property
    def held(self) -> int:
        """Photos that are being received, or whose answer is not yet made and handed on."""
        return self._admission.held

    def is_moving(self) -> bool:
        """Return whether photos are answered, if any wait."""
        return self._answering.is_moving() and self._finishing.is_moving()

    def stop(self, upload_seconds: float) -> None:
        """Take no new photos. Those that are being received must arrive within ``upload_seconds``."""
        self.stopping = True
        self._uploads.shorten(upload_seconds)

    def end(self, seconds: float) -> None:
        """End the threads when the event loop has ended, and wait at most ``seconds`` for each."""
        self._answering.end(seconds)
        self._finishing.end(seconds)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        token = self._settings.token
        routes: list[Route | Mount] = [
            Route("/classify", Endpoint("POST", self._classify, token)),
            Route("/health", Endpoint("GET", self._health, None)),
            Route("/model", Endpoint("GET", self._describe, token)),
            Route("/metrics", Endpoint("GET", self._measure, token)),
            Route("/openapi.json", Endpoint("GET", self._document_interface, token)),
        ]
        if self._settings.page is not None:
            routes.append(Mount("/", BundleFiles(self._settings.page)))
        else:
            routes.append(Route("/", Endpoint("GET", _overview, None)))
        application = Starlette(
            routes=routes, exception_handlers={HTTPException: _http_error, Exception: _unexpected_error}
        )
        application.router.redirect_slashes = False
        return application

    async def _classify(self, request: Request) -> Response:
        top = self._top(request)
        if self.stopping:
            raise self._try_later(503, "the service is stopping")
        try:
            with self._admission.place() as place:
                upload = await self._receive(request, place)
                arrived = time.monotonic()
                answer = await self._answer(request, upload)
                values = answer_to_dict(upload.name, replace(answer, predictions=answer.predictions[:top]))
                # The photo keeps its place, so that more photos are refused if the answers cannot be handed on.
                response = await asyncio.wrap_future(self._finishing.submit(values, upload.photo))
        except BusyError:
            raise self._try_later(429, "too many photos wait") from None
        except ClientDisconnect:
            return Response(status_code=GONE)
        self.metrics.count_answer(answer.verdict, time.monotonic() - arrived)
        return response

    async def _receive(self, request: Request, place: Place) -> Upload:
        try:
            return await self._uploads.read(request, place, self._settings.body_bytes)
        except TimeoutError:
            if self.stopping:
                raise self._try_later(503, "the service is stopping") from None
            raise HTTPException(408, f"the photo did not arrive in {self._settings.body_seconds:g} seconds") from None

    def _top(self, request: Request) -> int:
        text = request.query_params.get("top")
        if text is None:
            return self._settings.top
        if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= self._classes):
            raise HTTPException(400, f"top must be a whole number from 1 to {self._classes}")
        return int(text)

    async def _answer(self, request: Request, upload: Upload) -> Answer:
        """Return the answer with all classes. A photo whose client has gone is not answered.

        Raises:
            HTTPException: the photo cannot be answered.
            ClientDisconnect: the connection ended.
        """
        answer = asyncio.wrap_future(self._answering.submit(upload.photo))
        gone = asyncio.create_task(wait_until_gone(request))
        either: set[asyncio.Future[Any]] = {answer, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        except FlowerError as error:
            raise self._failure(error, upload.photo) from None
        finally:
            gone.cancel()
            answer.cancel()

    def _failure(self, error: FlowerError, photo: bytes) -> HTTPException:
        no_decoder = isinstance(error, UnreadableError) and is_heic(photo) and not HAS_HEIC
        if error.passing and not no_decoder:  # without its package, no HEIC can be read later either
            return self._try_later(503, str(error))
        if isinstance(error, PhotoError):
            return HTTPException(422, str(error))
        self._say(str(error))
        return HTTPException(500, "the model failed; the messages of the service say why")

    def _try_later(self, status: int, message: str) -> HTTPException:
        seconds = math.ceil(self.held * self._answering.seconds_per_photo)
        later = {"Retry-After": str(min(max(1, seconds), LONGEST_RETRY_S))}
        return HTTPException(status, f"{message}; try again later", headers=later)

    async def _health(self, request: Request) -> Response:
        status = "stopping" if self.stopping else "ready" if self.is_moving() else "stalled"
        return JSONResponse({"status": status}, 200 if status == "ready" else 503)

    async def _describe(self, request: Request) -> Response:
        return JSONResponse(self._model)

    async def _measure(self, request: Request) -> Response:
        return Response(self.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _document_interface(self, request: Request) -> Response:
        return JSONResponse(self._document)


class Endpoint:
    """One path: the method it takes, and the token it needs.

    Args:
        method: ``GET``, which includes HEAD, or ``POST``.
        handler: answers a request.
        token: that the request must carry; None for no token.
    """

    def __init__(self, method: str, handler: Handler, token: str | None) -> None:
        self._methods = ("GET", "HEAD") if method == "GET" else (method,)
        self._handler, self._token = handler, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HTTPException: the method is not taken, or the token is missing or wrong.
        """
        request = Request(scope, receive, send)
        if request.method not in self._methods:
            raise HTTPException(405, f"use {self._methods[0]}", headers={"Allow": ", ".join(self._methods)})
        if self._token is not None and not _carries(request, self._token):
            raise HTTPException(401, "the token is missing or wrong", headers={"WWW-Authenticate": "Bearer"})
        response = await self._handler(request)
        await response(scope, receive, send)


def _carries(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Compared in a time that does not depend on how much of it is right.
    return hmac.compare_digest(given.strip().encode(), token.encode()) and scheme.lower() == "bearer"


async def _overview(request: Request) -> Response:
    """What a person sees who opens the address in a browser."""
    return PlainTextResponse(OVERVIEW.format(address=f"{request.url.scheme}://{request.url.netloc}"))


async def _http_error(request: Request, error: Exception) -> Response:
    status, detail, headers = (
        (error.status_code, error.detail, error.headers) if isinstance(error, HTTPException) else (500, "", None)
    )
    return JSONResponse({"error": detail}, status, headers)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the service failed; its messages say why"}, 500)
