"""Writing ONNX graphs node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class NodeBuilder:
    """A growing list of nodes with the constants that they use.

    Args:
        prefix: begins every name that is made here, so that none meets one of the graph it is joined to.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the name of that; ``""`` is an input left out."""
        output = output or f"{self._prefix}_{len(self.nodes)}"
        name = f"{self._prefix}_{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=name, **attributes))
        return output

    def floats(self, *values: float) -> str:
        """A constant, float32: a scalar from one value, else a vector."""
        return self.constant(np.array(values[0] if len(values) == 1 else values, dtype=np.float32))

    def integers(self, *values: int) -> str:
        """A constant vector, int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def names(self, values: Sequence[str]) -> str:
        """A constant vector of strings."""
        return self.constant(np.array(values, dtype=object))

    def constant(self, values: np.ndarray) -> str:
        """A constant; one that is here already is used again."""
        tensor = numpy_helper.from_array(values)
        for known in self.initializers:
            tensor.name = known.name
            if tensor == known:
                return known.name
        tensor.name = f"{self._prefix}_constant_{len(self.initializers)}"
        self.initializers.append(tensor)
        return tensor.name
