"""Errors of this package."""

from runtime.errors import FlowerError


class ExportError(FlowerError):
    """An export or a bundle that fails its checks. Nothing was written."""
