"""A training schedule for tests, which takes seconds."""

SHORT = ("--epochs", "2", "--size", "64", "--final-size", "64", "--test-size", "64", "--batch-size", "8",
         "--workers", "0", "--validate-every", "1")  # fmt: skip
"""Options of ``python -m finetune``."""
