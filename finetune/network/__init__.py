"""The ResNet-50, the weights that it starts from, and the checkpoint file.

Nothing here knows photographs, recipes or training runs.
"""
