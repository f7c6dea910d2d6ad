"""The ResNet-50, the weights that it starts from, and the checkpoint file.

Nothing here uses photographs, recipes or training runs.
"""
