"""Making the web bundle: a model file and the page, in one folder that any web server can serve."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.files.bundle_folder import bundle_folder
from export.files.manifest import NAME, read_manifest, write_manifest
from export.graph.ort_format import to_ort
from export.web.bundle_check import check_bundle, check_same_network
from export.web.contents import MODEL_JSON, bundle_contents
from export.web.onnxruntime_web import VERSION, find_archive, read_archive
from export.web.service_worker import SERVICE_WORKER_LIST
from runtime.distribution import module_command
from runtime.inference.session import Session

ORT_MAGIC = b"ORTM"
"""The identifier of ORT format, at offset 4 of the file (FlatBuffers, "file identifier")."""
LISTED_BYTES = 10_000
"""Files smaller than this are only counted in `describe_bundle`."""


@dataclass(frozen=True)
class WebBundle:
    """A bundle that was written."""

    folder: Path
    sizes: dict[str, int]
    """File name → size in bytes."""


def build_web_bundle(
    model: Path,
    output: Path,
    *,
    archive: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> WebBundle:
    """Write the web bundle of a model file.

    The network is stored in ORT format. Its graph is already optimized, so a browser opens it in about half the time
    that ONNX takes. If anything fails, ``output`` stays as it was.

    Args:
        model: a model file from ``python -m export``, in ONNX or ORT format.
        output: a new folder, an empty one, or an earlier bundle, which is replaced.
        archive: the npm archive of onnxruntime-web; by default the cached one, or npm downloads it.
        report: called with one line of text for each step.

    Returns:
        The folder and the sizes of its files.

    Raises:
        ModelError: ``model`` is not a model file of this project.
        NpmError: onnxruntime-web is not available.
        FlowerError: ``output`` contains other files.
        BundleError: the bundle failed its check.
    """
    output = output.resolve()
    session = Session(model, device="cpu")
    content = model.read_bytes()
    with bundle_folder(output, _bundle_files) as folder:
        report(f"onnxruntime-web {VERSION}")
        engine = read_archive(find_archive(archive))
        report(f"packing {model.name}")
        if content[4:8] != ORT_MAGIC:
            content = to_ort({"model": content})["model.ort"]
        for name, data in bundle_contents(session, f"{model.stem}.ort", content, engine).items():
            (folder / name).write_bytes(data)
        write_manifest(sorted(folder.iterdir()))
        report("checking")
        check_same_network(model, check_bundle(folder))
    return WebBundle(output, {path.name: path.stat().st_size for path in sorted(output.iterdir())})


def describe_bundle(bundle: WebBundle) -> str:
    """Return a table of the bundle's files, the largest first, and the command that shows the page."""
    width = max(map(len, bundle.sizes))
    largest_first = sorted(bundle.sizes.items(), key=lambda item: -item[1])
    rows = [f"{name:<{width}}  {size / 1e6:6.2f} MB" for name, size in largest_first if size >= LISTED_BYTES]
    total = f"{f'all {len(bundle.sizes)} files':<{width}}  {sum(bundle.sizes.values()) / 1e6:6.2f} MB"
    command = f"{module_command('export')} serve {bundle.folder}"
    return "\n".join([*rows, total, f"{bundle.folder}: complete; look at the page with: {command}"])


def _bundle_files(folder: Path) -> set[str]:
    """Names of the files of the web bundle in ``folder``; empty if ``folder`` is not a web bundle."""
    is_bundle = all((folder / name).is_file() for name in (NAME, MODEL_JSON, SERVICE_WORKER_LIST))
    return {NAME, *read_manifest(folder)} if is_bundle else set()
