"""The figures of the service in the text format of Prometheus, version 0.0.4."""

from collections.abc import Callable
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from runtime.answers.answer import Verdict

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the histogram's parts."""


class Metrics:
    """Counts of one service.

    Args:
        queue_length: returns how many photos are being received or wait for their answer.
    """

    def __init__(self, queue_length: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time for each counter, which nothing here needs
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "flower_edge_requests", "Requests by the status of their answer.", ["status"], registry=self._registry
        )
        self._answers = Counter(
            "flower_edge_answers", "Answers for photos by their verdict.", ["verdict"], registry=self._registry
        )
        for verdict in get_args(Verdict):
            self._answers.labels(verdict)
        self._seconds = Histogram(
            "flower_edge_answer_seconds",
            "Seconds from the last byte of a photo to its answer.",
            buckets=SECONDS,
            registry=self._registry,
        )
        queue = Gauge(
            "flower_edge_queue_photos",
            "Photos that are being received or wait for their answer.",
            registry=self._registry,
        )
        queue.set_function(queue_length)
        ProcessCollector(registry=self._registry)  # on Linux: process_resident_memory_bytes and others

    def count_request(self, status: int) -> None:
        """Count a request by the status of its answer."""
        self._requests.labels(str(status)).inc()

    def count_answer(self, verdict: Verdict, seconds: float) -> None:
        """Count the answer for a photo, and the seconds that it took."""
        self._answers.labels(verdict).inc()
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Return all figures; `CONTENT_TYPE` is their type."""
        return generate_latest(self._registry)
