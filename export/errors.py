"""TODO from export.verification.accuracy_guard."""

from runtime.errors import FlowerError


class ExportError(FlowerError):
    """An export that did not come out right; nothing is written."""
