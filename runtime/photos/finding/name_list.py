"""Names of photos in a text file, as ``--list`` takes it and as ``find`` writes it."""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from runtime.errors import FlowerError

BLOCK_BYTES = 64 * 1024
"""Bytes that are read at once. More than `MAX_NAME_BYTES`, so that the first block contains the end of a name."""
MAX_NAME_BYTES = 32 * 1024
"""Longest name. Linux takes paths of 4 KiB, Windows of 32,767 characters."""


def names_in(list_file: str) -> Iterator[str]:
    """Return the names in a file, which is read while the caller iterates.

    Each line is a name, and empty lines are skipped. If the first block of the file contains a NUL, every name ends
    with one (``find -print0``), and may contain line ends. A name is any bytes (`os.fsdecode`).

    Args:
        list_file: a path, or ``-`` for standard input.

    Raises:
        FlowerError: the file cannot be opened. During the iteration: it cannot be read, or is no list of names.
    """
    if list_file == "-":
        if sys.stdin is None:
            raise FlowerError("standard input is closed; give a file with names")
        return _names(nullcontext(sys.stdin.buffer), "standard input")  # whoever made it closes it
    try:
        return _names(open(list_file, "rb"), list_file)  # noqa: PTH123 (`_names` closes it)
    except (OSError, ValueError) as error:
        raise _unreadable(list_file, error) from None


def can_be_read_again(list_file: str | None) -> bool:
    """Return whether reading a list, for example to count its names, leaves it to be read again. None is no list."""
    return list_file is None or (list_file != "-" and Path(list_file).is_file())


def _names(opened: AbstractContextManager[BinaryIO], shown: str) -> Iterator[str]:
    try:
        with opened as file:
            for number, name in enumerate(_pieces(file, shown), 1):
                if len(name) > MAX_NAME_BYTES:
                    raise _no_list(shown, f"name {number:,} is longer than {MAX_NAME_BYTES // 1024} KiB")
                if name:
                    yield os.fsdecode(name)
    except UnicodeDecodeError:  # on Windows, where names are no bytes
        raise _no_list(shown, "it is no text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise _unreadable(shown, error) from None


def _pieces(file: BinaryIO, shown: str) -> Iterator[bytes]:
    """Yield what is between the separators. A piece that is too long is yielded as soon as this is known."""
    rest = file.read(BLOCK_BYTES)
    if rest.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in rest:
        raise _no_list(shown, "it is UTF-16, which PowerShell writes; save it as UTF-8")
    separator = b"\0" if b"\0" in rest else b"\n"
    rest = rest.removeprefix(codecs.BOM_UTF8)
    block = rest
    while block:
        *pieces, rest = rest.split(separator)
        for piece in pieces:
            yield piece.removesuffix(b"\r") if separator == b"\n" else piece
        if len(rest) > MAX_NAME_BYTES:
            break
        block = file.read(BLOCK_BYTES)
        rest += block
    yield rest


def _no_list(shown: str, problem: str) -> FlowerError:
    return FlowerError(f"{shown}: not a list of names ({problem}); write one name a line")


def _unreadable(shown: str, error: OSError | ValueError) -> FlowerError:
    return FlowerError(f"{shown}: cannot be read ({getattr(error, 'strerror', None) or error})")
