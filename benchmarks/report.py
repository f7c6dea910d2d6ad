"""The report in three forms from one set of figures: Markdown, JSON and one self-contained HTML page."""

import base64
import json
from pathlib import Path

import jinja2

from benchmarks.intervals import Interval
from benchmarks.measure import Measured
from runtime.atomic import write_bytes, write_text

NAMES = ("report.md", "report.json", "report.html")


def write_report(measured: Measured, folder: Path) -> list[Path]:
    """Write the report's files and plots into ``folder``, each atomically, and return the paths of the reports."""
    for name, content in measured.plots.items():
        write_bytes(folder / name, content)
    write_text(folder / "report.json", json.dumps(measured.figures, indent=1, ensure_ascii=False) + "\n")
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    for name, escape in (("report.md", False), ("report.html", True)):
        environment = jinja2.Environment(
            loader=loader, autoescape=escape, undefined=jinja2.ChainableUndefined, keep_trailing_newline=True
        )
        text = environment.get_template(f"{name}.jinja").render(
            measured.figures,
            share=share,
            points=points,
            ms=lambda value: f"{value:.1f}",
            image=lambda name: "data:image/png;base64," + base64.b64encode(measured.plots[name]).decode(),
        )
        write_text(folder / name, text)
    return [folder / name for name in NAMES]


def share(value: float, interval: Interval) -> str:
    """A share 0 to 1 in percent, with its interval."""
    return f"{100 * value:.2f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def points(value: float, interval: Interval) -> str:
    """A difference of shares in percentage points, with its interval."""
    return f"{100 * value:+.2f} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"
