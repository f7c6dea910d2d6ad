"""What the training report measures: runs, checkpoints and speed."""
