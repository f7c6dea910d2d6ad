"""The crop and resize of `runtime.photos.preprocessing` as ONNX nodes, for a photo of any size.

ONNX's ``Resize`` with ``antialias`` uses Pillow's algorithm, but it resizes whole pictures, and the edges of a photo's
centre square lie between pixels. The mode ``tf_crop_and_resize`` puts each output pixel in the right place. In this
mode, however, onnxruntime takes the width of the filter from ``scales``, and it treats the pixels just outside the
region differently from Pillow. Therefore the square is cut out with a margin and resized, and the margin is removed
afterwards.

On photographs the result is within two levels of `Preprocessing.crop`. On noise it can differ more, for two reasons:

* For a very tall picture, Pillow does the vertical pass first; onnxruntime always does the horizontal pass first. Both
  clip to bytes between the passes.
* If a photo is enlarged and not cropped, or has only a few pixels, the nearest pixel is repeated at the borders. Pillow
  gives more weight to the existing pixels instead.
"""

from onnx import TensorProto

from export.graph.node_builder import NodeBuilder
from runtime.photos.preprocessing import Preprocessing

MODES = {"bilinear": "linear", "bicubic": "cubic"}
MARGIN = 2.0
"""Output pixels on each side of the square: the reach of the wider filter. It is smaller at the end of the photo."""
SLACK = 0.01
"""Tolerance for float32 rounding, in pixels: onnxruntime fills pixels that it computes to be outside the picture, and
an edge that is a whole number must not be rounded to the next one."""


def add_centre_square(nodes: NodeBuilder, photo: str, square: str, rule: Preprocessing) -> None:
    """Append the nodes that make ``square`` from ``photo``.

    Args:
        nodes: the nodes of the graph.
        photo: name of a uint8 tensor of shape (height, width, 3), at least 1 × 1.
        square: name of the result: uint8, shape (1, size, size, 3).
        rule: size, crop and interpolation. They become constants of the graph.
    """
    add, number = nodes.add, nodes.floats
    # Each of these is a pair, for rows and for columns. `scale` is the number of photo pixels for one output pixel.
    length = add("Cast", add("Shape", photo, start=0, end=2), to=TensorProto.FLOAT)
    scale = add("Mul", add("ReduceMin", length, keepdims=1), number(rule.crop_pct / rule.size))
    left = add("Mul", add("Sub", length, add("Mul", scale, number(rule.size))), number(0.5))
    margin = add("Floor", add("Clip", add("Div", left, scale), number(0), number(MARGIN)))
    resized = add("Add", add("Mul", margin, number(2)), number(rule.size))
    start = add("Sub", left, add("Mul", margin, scale))
    stop = add("Add", start, add("Mul", resized, scale))
    # Positions of the centres of the first and the last output pixel, from the centre of the photo's first pixel.
    half = add("Mul", add("Sub", scale, number(1)), number(0.5))
    first, last = add("Add", start, half), add("Sub", add("Sub", stop, number(1)), half)
    begin, end = _source_range(nodes, length, left, (start, stop), (first, last), resized)
    part = _slice_and_pad(nodes, photo, length, begin, end)
    # For a photo that is enlarged, Resize uses the scale only for the size of its output. So take the scale that gives
    # the right size and is nearest to the true scale; the difference is at most half a percent.
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
    # This gives the result a static shape, which onnxruntime cannot infer for a slice.
    add("Reshape", cut, nodes.integers(1, rule.size, rule.size, 3), output=square)


def _source_range(
    nodes: NodeBuilder, length: str, left: str, edges: tuple[str, str], centres: tuple[str, str], resized: str
) -> tuple[str, str]:
    """Return the range of whole pixels to cut out. It can exceed a photo of only a few pixels."""
    add, number = nodes.add, nodes.floats
    # For a photo that is enlarged, the filter reaches two pixels of the photo, not two of the output.
    reach = add("Max", add("Sub", left, number(MARGIN)), number(0, 0))
    begin = add("Floor", add("Min", add("Add", edges[0], number(SLACK)), add("Sub", centres[0], number(SLACK)), reach))
    reach = add("Sub", length, reach)
    end = add("Ceil", add("Max", add("Sub", edges[1], number(SLACK)), add("Add", centres[1], number(1 + SLACK)), reach))
    # If both sizes are equal, Resize only copies, although the pixels do not coincide. So make them different.
    same = add("Equal", add("Sub", end, begin), resized)
    return begin, add("Add", end, add("Cast", same, to=TensorProto.FLOAT))


def _slice_and_pad(nodes: NodeBuilder, photo: str, length: str, begin: str, end: str) -> str:
    """Cut out the pixels from ``begin`` to before ``end``. Outside the photo, the nearest pixel is repeated."""
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
