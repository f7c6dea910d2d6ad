"""Suites about other processors, devices and engines than onnxruntime on this CPU."""
