"""What all suites share: the harness, options, timing, intervals, plots, the description of the machine, and rendering.

Nothing here depends on a particular suite; modules here import no other room of this package except
`benchmarks.workers`.
"""
