"""The words that go with a bundle: its README and its notice, from the templates beside this file."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from export.mobile.photo_graph import TOP
from finetune.data.dataset import OXFORD
from runtime.distribution import __version__, tool_versions
from runtime.inference.model_file import ModelInfo

UNKNOWN = "not recorded"


def readme(info: ModelInfo, square: str, checked: str) -> str:
    """The README of a bundle.

    Args:
        info: of the model file.
        square: name of the ORT file with the fixed input.
        checked: one sentence about what the bundle was checked on.
    """
    return _template("README").substitute(
        top=min(TOP, len(info.classes)),
        classes=len(info.classes),
        architecture=info.architecture or "network",
        precision=info.precision.upper(),
        size=info.preprocessing.size,
        threshold=f"{info.threshold:g}",
        square=square,
        checked=checked,
        onnxruntime=tool_versions("onnxruntime")["onnxruntime"],
        providers=_template("providers-int8" if info.precision == "int8" else "providers-float").substitute().strip(),
    )


def notice(info: ModelInfo, source: Mapping[str, str]) -> str:
    """Licence and provenance, as far as the model file knows them.

    Args:
        info: of the model file.
        source: its ``name`` and ``sha256``.
    """
    provenance = info.training.get("provenance")
    known = provenance if isinstance(provenance, dict) else {}
    text = _template("NOTICE").substitute(
        {key: known.get(key) or UNKNOWN for key in ("dataset", "train_split", "train_images")},
        version=__version__,
        model=source["name"],
        model_sha256=source["sha256"],
        checkpoint_sha256=info.training.get("checkpoint_sha256", UNKNOWN),
        weights=known.get("weights") or UNKNOWN,
        weights_sha256=known.get("weights_sha256") or UNKNOWN,
    )
    return text + (_template("NOTICE-oxford").substitute() if known.get("dataset") == OXFORD else "")


def _template(name: str) -> Template:
    return Template(files(__package__).joinpath("templates", f"{name}.md.in").read_text(encoding="utf-8"))
