"""An NVIDIA GPU: what it needs, inference on it, the choice of ``auto``, training, and how busy it is."""
