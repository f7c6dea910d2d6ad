"""Inference engines: one file for each, with the forms of the network that it runs.

A form is made once, by a process of its own (`benchmarks.workers.engine_form`), and opened by the processes that
measure it. The packages of the engines are imported inside functions, so that an absent one concerns its engine only.
Nothing here measures, and nothing is imported from the other rooms of this package.
"""
