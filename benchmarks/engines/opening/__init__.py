"""How the engines that are also measured on arm64 open their forms.

These modules need numpy and their engine only: an emulated processor has no PyTorch.
"""
