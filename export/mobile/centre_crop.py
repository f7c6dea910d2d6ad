"""The geometry of `runtime.photos.preprocessing` as ONNX nodes: a photo of any size to the square that the network takes.

ONNX's ``Resize`` with ``antialias`` is Pillow's algorithm, but it resizes whole pictures, and the centre square of a
photo begins and ends between pixels. ``tf_crop_and_resize`` places every output pixel where it belongs; how far the
filter reaches, however, onnxruntime takes from ``scales``, and what it does for pixels just outside is not Pillow's.
So the square is cut out with a margin, resized with that, and the margin is cut off afterwards.

Within two levels of `Preprocessing.crop` on photographs. Two things differ more on noise: Pillow resamples the columns
of a very tall picture before its rows, onnxruntime always the rows first, and both clip to bytes in between; and at the
borders of a photo that grows and is not cropped, or is only a few pixels large, the nearest pixel is repeated, where
Pillow gives those that are there more weight.
"""

from onnx import TensorProto

from export.graph.node_builder import NodeBuilder
from runtime.photos.preprocessing import Preprocessing

MODES = {"bilinear": "linear", "bicubic": "cubic"}
MARGIN = 2.0
"""Output pixels on each side of the square, as many as the wider filter reaches; fewer where the photo ends."""
SLACK = 0.01
"""Pixels, against the rounding of float32: onnxruntime fills what it believes to lie outside the picture, and an edge
that is a whole number must not become the next one."""


def add_centre_square(nodes: NodeBuilder, photo: str, square: str, rule: Preprocessing) -> None:
    """Append what makes ``photo`` into ``square``.

    Args:
        nodes: where to.
        photo: name of a uint8 tensor of shape (height, width, 3), at least 1 × 1.
        square: name for the result: uint8, shape (1, size, size, 3).
        rule: how. It is part of the graph.
    """
    add, number = nodes.add, nodes.floats
    # All of these are pairs: for rows and for columns. `scale` is the photo's pixels in one of the output.
    length = add("Cast", add("Shape", photo, start=0, end=2), to=TensorProto.FLOAT)
    scale = add("Mul", add("ReduceMin", length, keepdims=1), number(rule.crop_pct / rule.size))
    left = add("Mul", add("Sub", length, add("Mul", scale, number(rule.size))), number(0.5))
    margin = add("Floor", add("Clip", add("Div", left, scale), number(0), number(MARGIN)))
    resized = add("Add", add("Mul", margin, number(2)), number(rule.size))
    start = add("Sub", left, add("Mul", margin, scale))
    stop = add("Add", start, add("Mul", resized, scale))
    # Where the centres of the first and the last output pixel lie, counted from the centre of the photo's first.
    half = add("Mul", add("Sub", scale, number(1)), number(0.5))
    first, last = add("Add", start, half), add("Sub", add("Sub", stop, number(1)), half)
    begin, end = _cut(nodes, length, left, (start, stop), (first, last), resized)
    part = _with_margins(nodes, photo, length, begin, end)
    # Of a photo that grows, Resize looks at the scale for the size of its output alone. What is nearest to the true
    # scale among those that give this size is at most half a percent from it.
    extent = add("Sub", end, begin)
    least, most = (add("Div", add("Add", resized, number(part)), extent) for part in (SLACK, 1 - SLACK))
    scales = add("Max", add("Min", add("Reciprocal", scale), most), least)
    span = add("Sub", extent, number(1))
    region = add("Concat", *(add("Div", add("Sub", at, begin), span) for at in (first, last)), axis=0)
    picture = add(
        "Resize",
        add("Unsqueeze", part, nodes.integers(0)),
        region,
        scales,
        mode=MODES[rule.interpolation],
        antialias=1,
        cubic_coeff_a=-0.5,  # Pillow's
        exclude_outside=1,
        coordinate_transformation_mode="tf_crop_and_resize",
        axes=[1, 2],
    )
    corner = add("Cast", margin, to=TensorProto.INT64)
    opposite = add("Add", corner, nodes.integers(rule.size))
    cut = add("Slice", picture, corner, opposite, nodes.integers(1, 2))
    # Says the shape aloud, which onnxruntime cannot know of a slice.
    add("Reshape", cut, nodes.integers(1, rule.size, rule.size, 3), output=square)


def _cut(
    nodes: NodeBuilder, length: str, left: str, edges: tuple[str, str], centres: tuple[str, str], resized: str
) -> tuple[str, str]:
    """The whole pixels to cut out, from and up to; outside the photo where that is only a few pixels large."""
    add, number = nodes.add, nodes.floats
    # Where a photo grows, the filter reaches two of its pixels and not two of the output's.
    reach = add("Max", add("Sub", left, number(MARGIN)), number(0, 0))
    begin = add("Floor", add("Min", add("Add", edges[0], number(SLACK)), add("Sub", centres[0], number(SLACK)), reach))
    reach = add("Sub", length, reach)
    end = add("Ceil", add("Max", add("Sub", edges[1], number(SLACK)), add("Add", centres[1], number(1 + SLACK)), reach))
    # If the sizes are equal, Resize copies, though the pixels do not lie on each other.
    same = add("Equal", add("Sub", end, begin), resized)
    return begin, add("Add", end, add("Cast", same, to=TensorProto.FLOAT))


def _with_margins(nodes: NodeBuilder, photo: str, length: str, begin: str, end: str) -> str:
    """The pixels from ``begin`` up to ``end``; the nearest ones repeated where that is outside the photo."""
    add, zero = nodes.add, nodes.floats(0, 0)
    cut = add(
        "Slice",
        photo,
        add("Cast", add("Max", begin, zero), to=TensorProto.INT64),
        add("Cast", add("Min", end, length), to=TensorProto.INT64),
        nodes.integers(0, 1),
    )
    outside = [add("Max", add("Neg", begin), zero), add("Max", add("Sub", end, length), zero)]
    missing = add("Cast", add("Concat", *outside, axis=0), to=TensorProto.INT64)
    return add("Pad", cut, missing, "", nodes.integers(0, 1), mode="edge")
