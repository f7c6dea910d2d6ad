"""What was exported, as text for a terminal."""

from collections.abc import Sequence

from export.mobile.bundle import MobileBundle
from export.stages.pipeline import Exported


def table(exported: Sequence[Exported]) -> str:
    """What was exported, a column a file."""
    rows = [("", *(item.info.precision.upper() for item in exported))]
    rows.append(("size", *(f"{item.size / 1e6:.1f} MB" for item in exported)))
    measured = [list(item.info.evaluation.values())[-1] for item in exported]
    for key, label in (("top1", "top-1"), ("top5", "top-5"), ("mean_per_class", "mean per class")):
        rows.append((label, *(f"{figures[key]:.2f} %" for figures in measured)))
    compared = [item.comparison for item in exported]
    if any(compared):
        for label, cells in (
            ("same top-1 as FP32", [f"{c.agreement:.2%}" if c else "" for c in compared]),
            ("worst logit difference", [f"{c.worst_difference:.3f}" if c else "" for c in compared]),
            ("RMS logit difference", [f"{c.rms_difference:.3f}" if c else "" for c in compared]),
        ):
            rows.append((label, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines += [str(item.path) for item in exported]
    return "\n".join(line.rstrip() for line in lines)


def bundle_table(bundle: MobileBundle) -> str:
    """The files of a bundle with their sizes, and where it is."""
    width = max(len(name) for name in bundle.sizes)
    rows = [f"{name:<{width}}  {size / 1e6:>7.3f} MB" for name, size in bundle.sizes.items()]
    return "\n".join([*rows, f"{bundle.folder}"])
