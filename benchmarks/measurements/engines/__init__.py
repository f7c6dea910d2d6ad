"""What the suite `engines` measures: contestants in turns, nodes, and the processor's peak.

How an engine makes and opens its forms is in `benchmarks.engines`.
"""
