"""One training run: its settings, its state in ``last.pt``, its output folder, hardware, processes and random seeds.

Nothing here reads photographs or computes a training step.
"""
