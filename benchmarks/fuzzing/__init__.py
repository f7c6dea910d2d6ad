"""Damaged and crafted inputs: making them, and giving them to the runtime in a process of its own.

Nothing here writes a report.
"""
