"""The suite about NVIDIA GPUs, on the CPU."""
