"""TODO from export.files.output_files."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_folder


@contextmanager
def bundle_folder(output: Path, files_of: Callable[[Path], Collection[str]]) -> Iterator[Path]:
    """`replacing_folder`, for an ``output`` that does not exist, is empty, or is an earlier bundle and nothing else.

    Args:
        output: the folder; all that is in it is deleted.
        files_of: the names of the files of the bundle in a folder; none where there is no bundle.

    Raises:
        FlowerError: it is a file, or a folder that holds something else.
    """
    if output.exists() and not output.is_dir():
        raise FlowerError(f"{output}: is a file; give a folder for the bundle (--output)")
    if output.is_dir() and not {file.name for file in output.iterdir()} <= set(files_of(output)):
        raise FlowerError(f"{output}: holds other files than an earlier bundle; give a folder of its own (--output)")
    with atomic_folder(output) as folder:
        yield folder
