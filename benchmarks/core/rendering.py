"""Reports as text: Markdown and HTML from figures, by the templates of this package."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.core.intervals import Interval

TEMPLATES = Path(__file__).parents[1] / "templates"
FORMATS = {"md": "markdown", "html": "html"}
"""Ending of a report → the folder of its template, which may be in a room there."""


def render_report(name: str, values: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Render every template of the report ``name``.

    Args:
        name: of the report; its templates are NAME.md.jinja in markdown/ and, for some, NAME.html.jinja in html/.
        values: what the templates show.
        folder: where the pictures are that the HTML page embeds.

    Returns:
        File name → text. The Markdown is first.
    """

    def image(file: str) -> str:
        """Return a picture as a data URI, so that the page is one file."""
        kind = "png" if file.endswith(".png") else "jpeg"
        return f"data:image/{kind};base64," + base64.b64encode((folder / file).read_bytes()).decode()

    texts = {}
    for form, place in FORMATS.items():
        for template in (TEMPLATES / place).rglob(f"{name}.{form}.jinja"):
            found = _environment(form).get_template(template.relative_to(TEMPLATES).as_posix())
            text = found.render(values, image=image)
            texts[f"{name}.{form}"] = text.rstrip() + "\n"
    return texts


def _environment(form: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=form == "html",  # noqa: S701 (Markdown takes no escapes, and the HTML is escaped)
        undefined=jinja2.ChainableUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.globals.update(
        share=share, points=points, ratio=ratio, ms="{:.1f}".format, processor=processor, versions=versions
    )
    return environment


def cell(text: str | None) -> str:
    """Return a name, for example of a class, for a cell of a Markdown table: as text on one line, without markup."""
    return re.sub(r"([\\|`*_<>\[\]#&])", r"\\\1", " ".join((text or "").split()))


def processor(machine: Mapping[str, Any]) -> str:
    """Return the processor of `benchmarks.core.machine.describe_machine` with its features.

    The name alone is often the same for several generations, whose INT8 speed differs.
    """
    features = ", ".join(machine["features"])
    return f"{machine['processor']} ({machine['architecture']}{': ' if features else ''}{features})"


def versions(machine: Mapping[str, Any]) -> str:
    """Return the versions of `benchmarks.core.machine.describe_machine`, separated by commas."""
    return ", ".join(f"{name} {version}" for name, version in machine["versions"].items())


def share(value: float, interval: Interval) -> str:
    """Return a share from 0 to 1 in percent, with its interval."""
    return f"{100 * value:.2f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def points(value: float, interval: Interval) -> str:
    """Return a difference of two shares in percentage points, with its interval."""
    return f"{100 * value:+.2f} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"


def ratio(value: Mapping[str, float]) -> str:
    """Return a ratio of `benchmarks.core.timing.speedup`: median (quartiles)."""
    return f"{value['median']:.2f} ({value['p25']:.2f} to {value['p75']:.2f})"
