"""The entry point of the HTTP service."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from runtime.classifier import FlowerClassifier
from runtime.distribution import PACKAGE_PREFIX
from runtime.errors import FlowerError
from runtime.services.serving.settings import ServeSettings

PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")
"""What the extra ``serve`` installs."""


def serve(
    classifier: FlowerClassifier,
    settings: ServeSettings,
    *,
    say: Callable[[str], None],
    on_answer: Callable[[dict[str, Any], bytes], None] | None = None,
    extend: Callable[[dict[str, Any], bytes], dict[str, Any]] | None = None,
    description: Mapping[str, Any] | None = None,
) -> None:
    """Answer photos over HTTP until SIGTERM or SIGINT, then finish the answers that are begun and return.

    Call it from the main thread, which receives the signals.

    Args:
        classifier: names the flowers.
        settings: where to listen, and the limits.
        say: shows a line to the user: the address, and what goes wrong.
        on_answer: is called in a thread of its own after an answer was sent, with the answer as JSON values and the
            bytes of the photo. Answers do not wait for it: if it is too slow, some are left out.
        extend: gets the JSON values of an answer (`runtime.answers.answer.answer_to_dict`) and the bytes of the photo,
            and returns the values that are sent. None sends them as they are.
        description: of the model, as JSON values for ``/model``: what ``flower-infer --info --json`` prints. None for
            the metadata of the model file and the device only.

    Raises:
        FlowerError: a package is not installed, or the address cannot be used.
    """
    for package in PACKAGES:
        try:
            import_module(package)
        except ModuleNotFoundError:
            distribution = "flower-edge" if PACKAGE_PREFIX else "."
            raise FlowerError(
                f"{package.replace('_', '-')} is not installed; run: pip install '{distribution}[serve]'"
            ) from None
    from runtime.services.serving.service import Service

    Service(classifier, settings, say, on_answer, extend, description).run()
