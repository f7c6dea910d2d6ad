"""The training itself: linear probe, epochs, validation, history, model soup, and the Python interface `train`.

Nothing here parses a command line.
"""
