"""A table of the classes with the number of their photographs, for the start of training."""

from collections.abc import Iterator

import numpy as np

from finetune.data.split import Split

SHOWN = 20
"""Most classes that are listed one by one; of more, the smallest ones."""
SMALLEST = 10
FEW = 10
"""Training photographs of a class below which its accuracy is hardly better than chance says."""


def class_table(train: Split, val: Split | None) -> Iterator[str]:
    """Yield lines about the classes: a summary, a table, and a warning about those with few photographs.

    Args:
        train: the photographs for training.
        val: those for validation, if there are any.
    """
    counts = np.bincount(train.labels, minlength=len(train.classes))
    held_out = None if val is None else np.bincount(val.labels, minlength=len(train.classes))
    yield (
        f"{len(counts):,} classes of {counts.min():,} to {counts.max():,} training photographs, median "
        f"{np.median(counts):g}"
    )
    order = np.argsort(counts, kind="stable")
    shown = range(len(counts)) if len(counts) <= SHOWN else order[:SMALLEST].tolist()
    if len(counts) <= SHOWN or counts.min() < counts.max():
        width = max(len(train.classes[index]) for index in shown)
        if len(counts) > SHOWN:
            yield "the smallest:"
        for index in shown:
            validation = "" if held_out is None else f", {held_out[index]:,} for validation"
            yield f"  {train.classes[index]:<{width}}  {counts[index]:>5,}{validation}"
    if few := [train.classes[index] for index in order if counts[index] < FEW]:
        more = f" and {len(few) - SMALLEST:,} more" if len(few) > SMALLEST else ""
        yield f"fewer than {FEW} training photographs: {', '.join(few[:SMALLEST])}{more}; add photographs"
    if held_out is not None and (missing := int((held_out == 0).sum())):
        yield f"classes without a photograph for validation: {missing:,}; their accuracy is not measured"
