"""TODO from runtime.command_line.program."""

import argparse


def positive_int(text: str) -> int:
    """An argparse type: a whole number from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return number


def whole_number(text: str) -> int:
    """An argparse type: a whole number from 0 up."""
    return 0 if text == "0" else positive_int(text)
