"""Building an ONNX graph node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class NodeBuilder:
    """A list of nodes and of the constants that they use.

    Args:
        prefix: starts every name made here, so that no name collides with one of the graph that the nodes are added to.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the output's name. An empty input name means an input left out."""
        output = output or f"{self._prefix}_{len(self.nodes)}"
        name = f"{self._prefix}_{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=name, **attributes))
        return output

    def floats(self, *values: float) -> str:
        """Add a float32 constant: a scalar for one value, otherwise a vector. Return its name."""
        return self.constant(np.array(values[0] if len(values) == 1 else values, dtype=np.float32))

    def integers(self, *values: int) -> str:
        """Add a constant vector of int64. Return its name."""
        return self.constant(np.array(values, dtype=np.int64))

    def names(self, values: Sequence[str]) -> str:
        """Add a constant vector of strings. Return its name."""
        return self.constant(np.array(values, dtype=object))

    def constant(self, values: np.ndarray) -> str:
        """Add a constant and return its name. Equal constants are stored once."""
        tensor = numpy_helper.from_array(values)
        for existing in self.initializers:
            tensor.name = existing.name
            if tensor == existing:
                return existing.name
        tensor.name = f"{self._prefix}_constant_{len(self.initializers)}"
        self.initializers.append(tensor)
        return tensor.name
