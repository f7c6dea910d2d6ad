"""The names of the files of one export, and writing them together: all of them or, if the disk is full, none."""

import glob
import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from export.files.manifest import NAME, manifest_text
from finetune.data.dataset import OXFORD
from runtime.files.atomic import atomic_file, remove_leftovers
from runtime.inference.model_file import ModelInfo

FLOWERS = "flowers"
"""Start of the names of model files of Oxford's flowers, and of a data set whose name has no letter of ASCII."""
MAX_NAME = 40
"""Characters of the data set's name in a file name."""


def model_file_name(info: ModelInfo, variant: str) -> str:
    """Return the name of a model file: data set, network and variant, for example ``flowers-resnet50-int8.onnx``.

    A data set of class folders has the name of its folder. It can be any text, so only letters, digits, ``.``, ``_``
    and ``-`` of ASCII are kept.

    Args:
        info: its metadata.
        variant: for example ``int8`` (`export.targets.ModelVariant`).
    """
    dataset = info.provenance.get("dataset")
    name = FLOWERS if dataset in (None, OXFORD) else _plain(str(dataset)) or FLOWERS
    return f"{name}-{info.architecture}-{variant}.onnx"


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", letters)[:MAX_NAME].strip("._-")


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write ``contents`` (file name → content) into ``folder`` and add them to its manifest.

    All files are on the disk under temporary names before the first one is renamed. So a full disk leaves the folder as
    it was. If the process is killed between two renames, each file is completely old or completely new, and the
    manifest is old; ``python -m export check`` then reports the files that differ from the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Temporary files of an export that was killed. A training run in the same folder uses other names.
    remove_leftovers(folder, *map(glob.escape, contents), NAME)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    # ExitStack renames in reverse order of entering: the files in the order of ``contents``, then the manifest.
    together = {NAME: manifest_text(folder, digests).encode(), **dict(reversed(list(contents.items())))}
    with ExitStack() as stack:
        for name, content in together.items():
            temporary = stack.enter_context(atomic_file(folder / name))
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # some file systems report a full disk only here
