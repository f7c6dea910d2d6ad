"""The errors of the web bundle."""

from runtime.errors import FlowerError


class BundleError(FlowerError):
    """A folder that is not a complete web bundle."""


class NpmError(FlowerError):
    """onnxruntime-web is not available, or is not the published version."""
