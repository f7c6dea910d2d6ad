"""The entry point of the HTTP service."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from runtime.classifier import FlowerClassifier
from runtime.distribution import install_command
from runtime.errors import FlowerError
from runtime.services.serving.settings import ServeSettings

PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")
"""What the extra ``serve`` installs."""


def serve(
    classifier: FlowerClassifier,
    settings: ServeSettings,
    *,
    say: Callable[[str], None],
    description: Mapping[str, Any],
    on_answer: Callable[[dict[str, Any], bytes], None] | None = None,
    extend: Callable[[dict[str, Any], bytes], dict[str, Any]] | None = None,
) -> None:
    """Answer photos over HTTP until SIGTERM or SIGINT, then finish the answers that are begun and return.

    Call it from the main thread, which receives the signals.

    Args:
        classifier: names the flowers.
        settings: where to listen, and the limits.
        say: shows a line to the user: the address, and what goes wrong.
        description: of the model, as JSON values for ``/model``. ``flower-infer`` gives what
            `runtime.command_line.descriptions.model_values` returns.
        on_answer: gets the JSON values that are sent and the bytes of the photo, before they are sent. The answer waits
            for it and keeps its place in the queue: if it is slow, photos are refused with 429. If it raises an
            error, that is said and the answer is sent all the same. If the client has gone or the service stops, it
            may get an answer that is not sent.
        extend: gets the JSON values of an answer (`runtime.answers.answer.answer_to_dict`) and the bytes of the photo,
            and returns the values that are sent. None sends them as they are. One thread calls ``extend`` and
            ``on_answer``, for one answer at a time, in the order in which the photos were answered.

    Raises:
        FlowerError: a package is not installed, or the address cannot be used.
    """
    for package in PACKAGES:
        try:
            import_module(package)
        except ModuleNotFoundError:
            raise FlowerError(
                f"{package.replace('_', '-')} is not installed; run: {install_command('serve')}"
            ) from None
    from runtime.services.serving.service import Service

    Service(classifier, settings, say, description, on_answer, extend).run()
