"""INT8 by torchao's quantization of exported graphs ("PT2E"), which ExecuTorch and torch.compile share."""

from typing import Any

import torch
from torch.fx import GraphModule

from benchmarks.engines.source import Source


def quantized(source: Source, quantizer: Any) -> GraphModule:
    """Return the core with the quantizer's INT8 operators around its layers.

    Args:
        source: the network and the calibration photographs.
        quantizer: a ``torchao.quantization.pt2e.quantizer.Quantizer``, which says what is quantized and how.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    # The quantizers look for patterns such as convolution, sum, ReLU. Only the strict exporter records where the layers
    # of a block end, so without it they find one pattern with several ends and stop.
    exported = torch.export.export(source.core(), (source.example(),), strict=True).module()
    prepared = prepare_pt2e(exported, quantizer)
    with torch.inference_mode():
        for pixels in source.pixels():
            prepared(pixels)
    module: GraphModule = convert_pt2e(prepared)
    _remove_unused_weights(module)
    return module


def _remove_unused_weights(module: GraphModule) -> None:
    """Remove the float weights of which the graph has an INT8 copy. They would be written into the file, too."""
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in (*module.named_parameters(), *module.named_buffers()) if name not in used]:
        owner, _, attribute = name.rpartition(".")
        delattr(module.get_submodule(owner), attribute)
