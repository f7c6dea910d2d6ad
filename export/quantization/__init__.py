"""From a float graph to an INT8 graph: activation ranges, quantization, repairs of weights, search, fine-tuning.

Everything here works on core graphs (float pixels in, logits out). Nothing here reads or writes model files.
"""
