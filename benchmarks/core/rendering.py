"""The report in three forms from one set of figures: Markdown, JSON and one self-contained HTML page."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.core.intervals import Interval
from benchmarks.suites.models import Measured
from runtime.files.atomic import write_bytes, write_text

NAMES = ("report.md", "report.json", "report.html")


def write_report(measured: Measured, folder: Path) -> list[Path]:
    """Write the report's files and plots into ``folder``, each atomically, and return the paths of the reports."""
    for name, content in measured.plots.items():
        write_bytes(folder / name, content)
    write_text(folder / "report.json", json.dumps(measured.figures, indent=1, ensure_ascii=False) + "\n")
    for name in ("report.md", "report.html"):
        text = render(
            f"{name}.jinja",
            image=lambda name: "data:image/png;base64," + base64.b64encode(measured.plots[name]).decode(),
            **measured.figures,
        )
        write_text(folder / name, text)
    return [folder / name for name in NAMES]


def render(template: str, **values: Any) -> str:
    """A template of this package with ``values`` and the ways that numbers are written."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=".html" in template,
        undefined=jinja2.ChainableUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ms = "{:.1f}".format
    return environment.get_template(template).render(values, share=share, points=points, ms=ms, processor=processor)


def processor(machine: Mapping[str, Any]) -> str:
    """The processor of `benchmarks.core.machine.describe_machine`, with the features that decide how fast INT8 is: the name
    alone is often one for several generations."""
    features = ", ".join(machine["features"])
    return f"{machine['processor']} ({machine['architecture']}{': ' if features else ''}{features})"


def share(value: float, interval: Interval) -> str:
    """A share 0 to 1 in percent, with its interval."""
    return f"{100 * value:.2f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def points(value: float, interval: Interval) -> str:
    """A difference of shares in percentage points, with its interval."""
    return f"{100 * value:+.2f} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"
