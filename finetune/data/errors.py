"""The error of a data set."""

from runtime.errors import FlowerError


class DataError(FlowerError):
    """A data set that is missing, incomplete or contradictory."""
