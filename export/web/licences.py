"""The licences of everything in the bundle, as one text."""

from pathlib import Path

import onnxruntime

from export.web.errors import BundleError
from export.web.onnxruntime_web import FILES, VERSION

SEPARATOR = "\n" + "-" * 80 + "\n\n"


def licences_text() -> str:
    """Return the content of ``LICENCES.txt``.

    The Python package of onnxruntime contains the notices of the libraries that are compiled into onnxruntime-web, too.

    Raises:
        BundleError: the installed onnxruntime lacks its licence files.
    """
    parts = [
        "The page and its scripts are part of flower-edge, under the Apache License 2.0:\n"
        "https://www.apache.org/licenses/LICENSE-2.0\n\n"
        "The model that comes with flower-edge was trained on Oxford 102 Flowers, whose images carry no licence\n"
        "statement, from ImageNet weights under the Apache License 2.0. Another model has its own terms.\n",
        f"onnxruntime-web {VERSION} ({', '.join(FILES)}):\n",
    ]
    package = Path(onnxruntime.__file__).parent
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        try:
            parts.append((package / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            raise BundleError(
                f"{package / name}: is missing, but the bundle must contain it; install onnxruntime again"
            ) from None
    return SEPARATOR.join(parts)
