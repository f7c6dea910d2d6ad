"""The distribution: its version, the versions of its tools, and the names of its commands."""

import os
import sys

__version__ = "0.4.0"

DEBUG = "FLOWER_EDGE_DEBUG"
"""The environment variable that shows the messages of the libraries. Its value does not matter."""

PACKAGE_PREFIX = __name__.removesuffix("runtime.distribution")
"""``flower_edge.`` where the wheel is installed; empty in a checkout, whose packages have no common parent."""


def module_command(package: str) -> str:
    """Return the command that runs one of this project's packages, for messages and help texts.

    Args:
        package: ``finetune``, ``export`` or ``benchmarks``.

    Returns:
        ``python -m export`` in a checkout, ``python -m flower_edge.export`` where the wheel is installed.
    """
    return f"python -m {PACKAGE_PREFIX}{package}"


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra, for messages.

    Args:
        extra: a key of ``[project.optional-dependencies]`` in ``pyproject.toml``.

    Returns:
        ``pip install '.[serve]'`` in a checkout, ``pip install 'flower-edge[serve]'`` where the wheel is installed. If
        ``pip`` is that of another Python, the path of this one stands before it.
    """
    import shutil  # here, because only an error needs it

    pip, folder = shutil.which("pip"), os.path.dirname(sys.executable)  # noqa: PTH120 (pathlib takes time to import)
    program = "pip" if pip and os.path.dirname(pip) == folder else f"{sys.executable} -m pip"  # noqa: PTH120
    return f"{program} install '{'flower-edge' if PACKAGE_PREFIX else '.'}[{extra}]'"


def tool_versions(*distributions: str) -> dict[str, str]:
    """Return the versions of this project, of Python and of the installed ``distributions``, to be recorded."""
    # Imported here because these imports take longer than everything else that `flower-infer --version` needs.
    import platform
    from importlib import metadata

    versions = {"flower-edge": __version__, "python": platform.python_version()}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
