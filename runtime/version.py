"""The version of the distribution, in the one place that both the build and the code read, and those of its tools."""

__version__ = "0.1.0"


def tool_versions(*distributions: str) -> dict[str, str]:
    """The versions of this project, of Python and of installed ``distributions``, for the record of a run or a file."""
    # Imported here: together they take longer than all else that `flower-infer --version` needs.
    import platform
    from importlib import metadata

    versions = {"flower-edge": __version__, "python": platform.python_version()}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
