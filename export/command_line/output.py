"""What the subcommands print."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing these modules at run time would load torch for every subcommand
    from export.mobile.bundle import MobileBundle
    from export.stages.write import ExportedModel


def print_line(line: str) -> None:
    """Print ``line`` at once, also if the output is a file or a pipe."""
    print(line, flush=True)


def results_table(exported: "Sequence[ExportedModel]") -> str:
    """Return a table of the exported files, one column each, and their paths."""
    rows = [("", *(model.info.precision.upper() for model in exported))]
    rows.append(("size", *(f"{model.size / 1e6:.1f} MB" for model in exported)))
    measured = [list(model.info.evaluation.values())[-1] for model in exported]
    for key, title in (
        ("top1", "top-1"),
        ("top5", "top-5"),
        ("mean_per_class", "mean per class"),
        ("named", "get a name"),
        ("named_right", "right, of these"),
    ):
        # If no photograph gets a name, no share of them is right.
        shares = [f"{figures[key]:.2f} %" if figures[key] is not None else "" for figures in measured]
        rows.append((title, *shares))
    comparisons = [model.comparison for model in exported]
    if any(comparisons):
        for title, cells in (
            ("same top-1 as FP32", [f"{c.agreement:.2%}" if c else "" for c in comparisons]),
            ("worst logit difference", [f"{c.worst_difference:.3f}" if c else "" for c in comparisons]),
            ("RMS logit difference", [f"{c.rms_difference:.3f}" if c else "" for c in comparisons]),
        ):
            rows.append((title, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines += [str(model.path) for model in exported]
    return "\n".join(line.rstrip() for line in lines)


def bundle_table(bundle: "MobileBundle") -> str:
    """Return the files of a bundle with their sizes, and what to do with them."""
    width = max(len(name) for name in bundle.sizes)
    rows = [f"{name:<{width}}  {size / 1e6:>7.3f} MB" for name, size in bundle.sizes.items()]
    readme = bundle.folder / "README.md"
    return "\n".join([*rows, f"{bundle.folder}: complete; put flowers.ort into the app, with the code in {readme}"])
