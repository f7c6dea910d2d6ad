"""The folder of a bundle, which is replaced as a whole."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_folder


@contextmanager
def bundle_folder(output: Path, files_of: Callable[[Path], Collection[str]]) -> Iterator[Path]:
    """Open a temporary folder that takes the place of ``output`` at the end (`runtime.files.atomic.atomic_folder`).

    Args:
        output: a folder that does not exist, is empty, or holds an earlier bundle only. Its content is deleted.
        files_of: returns the names of the files of the bundle in a folder; none if it holds no bundle.

    Raises:
        FlowerError: ``output`` is a file, or a folder with other files.
    """
    if output.exists() and not output.is_dir():
        raise FlowerError(f"{output}: is a file; give a folder for the bundle (--output)")
    if output.is_dir() and not {file.name for file in output.iterdir()} <= set(files_of(output)):
        raise FlowerError(f"{output}: holds other files than an earlier bundle; give a folder of its own (--output)")
    with atomic_folder(output) as folder:
        yield folder
