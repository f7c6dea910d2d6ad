"""Inference: the model file, the devices and CPU threads, and the session that runs the network.

Nothing here reads photos or prints. To add an execution provider, start in `runtime.inference.devices`.
"""
