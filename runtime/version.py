"""The version of the distribution, in the one place that both the build and the code read, and those of its tools."""

import platform
from importlib import metadata

__version__ = "0.1.0"


def tool_versions(*distributions: str) -> dict[str, str]:
    """The versions of this project, of Python and of installed ``distributions``, for the record of a run or a file."""
    versions = {"flower-edge": __version__, "python": platform.python_version()}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
