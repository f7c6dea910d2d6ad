"""What tests work on: drawn photographs, tiny models, a small network, and web bundles."""
