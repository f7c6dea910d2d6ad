"""What an engine is: the packages that it needs, and the forms of the network that it makes and runs."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from benchmarks.engines.opening.answer import Answer
from benchmarks.engines.source import Source


@dataclass(frozen=True)
class Form:
    """One form of the network for one engine."""

    name: str
    """Part of the name of its folder, for example ``int8``."""
    words: str
    """For the report. ``{photographs}`` stands for the number of calibration photographs."""
    intake: str
    """How the bytes of a photograph become the input of the network. This step is part of the measured time."""
    open: Callable[[Path, int], Answer]
    """From the folder of the form, or from a model file if ``make`` is None, and a number of threads."""
    make: Callable[[Source, Path], None] | None = None
    """Writes the files of the form into an empty folder. None: the engine runs model files of this project."""
    packages: tuple[str, ...] = ()
    """Distributions that the form needs besides those of the engine."""


@dataclass(frozen=True)
class Engine:
    """An engine with its forms."""

    name: str
    packages: tuple[str, ...]
    """Distributions that all its forms need. The first is the engine itself. Each has a module of the same name."""
    forms: tuple[Form, ...]
    extra: str = "engines"
    """The extra of this project that installs the packages."""

    def form(self, name: str) -> Form:
        """Return the form of this name."""
        return next(form for form in self.forms if form.name == name)

    def missing(self, form: Form) -> str | None:
        """Return which packages of a form are not installed and the command that installs them, or None."""
        absent = [name for name in self._packages(form) if find_spec(name.replace("-", "_")) is None]
        if not absent:
            return None
        return f"not installed: {', '.join(absent)}; run: pip install 'flower-edge[{self.extra}]'"

    def versions(self, form: Form) -> dict[str, str]:
        """Return the versions of the packages of a form."""
        return {name: metadata.version(name) for name in self._packages(form)}

    def _packages(self, form: Form) -> tuple[str, ...]:
        return (*self.packages, *form.packages)
