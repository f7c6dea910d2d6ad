"""``python -m export``: one file for each subcommand, with its options and its output, and `program`, which lists them.

The work is in the rooms below; nothing here computes anything.
"""

from export.command_line.program import PROGRAM, main

__all__ = ["PROGRAM", "main"]
