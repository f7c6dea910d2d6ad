"""Command lines: ``flower-infer``, and what the command lines of all packages share.

Printing, parsing of arguments and exit codes live here; the work that a command does lives in the other rooms.
"""
