"""Answers as keywords in a sidecar, ``photo.jpg.xmp`` beside ``photo.jpg``. The photo itself is never changed.

The form is XMP (ISO 16684-1) with the keywords in ``dc:subject``, which digiKam, darktable and Immich read. A sidecar
that other programs wrote keeps everything that is in it. The keywords that were written here before are listed in a
property of our own, so that a new answer takes their place.
"""

import io
import os
import shutil
import stat
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file

SUFFIX = ".xmp"
MAX_BYTES = 4 * 1024**2
"""Largest sidecar that is read."""
MAX_DEPTH = 64
"""Most elements inside each other."""
META, RDF, DC = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
OWN = "urn:flower-edge:xmp:1.0/"
"""The namespace of our own property."""
PREFIXES = {"x": META, "rdf": RDF, "dc": DC, "flowerEdge": OWN}
SUBJECT, KEYWORDS = f"{{{DC}}}subject", f"{{{OWN}}}keywords"
BAG, ITEM, DESCRIPTION, ABOUT = (f"{{{RDF}}}{name}" for name in ("Bag", "li", "Description", "about"))

CONTAINERS = (BAG, f"{{{RDF}}}Seq", f"{{{RDF}}}Alt")
"""What programs put keywords into. The standard asks for the first."""


class SidecarError(FlowerError):
    """A sidecar cannot be written, or one that is there cannot be changed."""


def sidecar_path(photo: Path) -> Path:
    """Return where the sidecar of a photo is."""
    return photo.with_name(photo.name + SUFFIX)


def write_sidecar(photo: Path, keywords: Sequence[str]) -> bool:
    """Put keywords into the sidecar of a photo, in the place of those that were written here before. Atomic.

    Args:
        photo: its path.
        keywords: may be empty, which removes those of an earlier answer.

    Returns:
        Whether the sidecar was changed. One that would be the same, or would only now be made without any keyword, is
        not written.

    Raises:
        SidecarError: there is a sidecar that is no XMP.
        OSError: it cannot be read or written.
    """
    path = sidecar_path(photo)
    old = _read(path)
    if old is None and not keywords:
        return False
    root = _parse(old, path) if old is not None else _empty()
    _replace_keywords(root, keywords, path)
    for prefix, namespace in {**_prefixes(old or b""), **PREFIXES}.items():
        ET.register_namespace(prefix, namespace)
    content = ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
    if content == old:
        return False
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
        if old is not None:
            shutil.copymode(path, temporary)  # others of a shared group may be allowed to write it
    return True


def sidecar_problem(photo: str, keywords: Sequence[str]) -> SidecarError | None:
    """Do what `write_sidecar` does, and return why it was not possible, if so."""
    try:
        write_sidecar(Path(photo), keywords)
    except SidecarError as error:
        return error
    except OSError as error:
        return SidecarError(f"{sidecar_path(Path(photo))}: cannot be written ({error.strerror or error})")
    return None


def _read(path: Path) -> bytes | None:
    try:
        # Non-blocking, so that a FIFO is refused and not waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SidecarError(f"{path}: not a file; it is not changed")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SidecarError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not a sidecar")
    return content


class _TreeBuilder(ET.TreeBuilder):
    """Refuses what XMP has none of: a document type, whose entities could expand to gigabytes, and deep nesting."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True)
        self._depth = 0

    def doctype(self, *_: object) -> None:
        """Is called for a document type."""
        raise ValueError("it has a document type")

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        """Begin an element."""
        self._depth += 1
        if self._depth > MAX_DEPTH:  # the library writes elements by recursion
            raise ValueError(f"more than {MAX_DEPTH} elements inside each other")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        """End an element."""
        self._depth -= 1
        return super().end(tag)


def _parse(content: bytes, path: Path) -> ET.Element:
    try:
        parser = ET.XMLParser(target=_TreeBuilder())  # noqa: S314 (see `_TreeBuilder`)
        return ET.fromstring(content, parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise SidecarError(f"{path}: not XMP ({error}); it is not changed") from None


def _prefixes(content: bytes) -> dict[str, str]:
    """Return the namespaces of a document by the prefixes that it uses, so that they are written again."""
    if not content:
        return {}
    found = {prefix: uri for _, (prefix, uri) in ET.iterparse(io.BytesIO(content), ["start-ns"])}  # noqa: S314
    # ElementTree makes prefixes of this form itself, and refuses them from others.
    return {prefix: uri for prefix, uri in found.items() if prefix and not prefix.startswith("ns")}


def _empty() -> ET.Element:
    root = ET.Element(f"{{{META}}}xmpmeta")
    rdf = ET.SubElement(root, f"{{{RDF}}}RDF")
    ET.SubElement(rdf, DESCRIPTION, {ABOUT: ""})
    return root


def _replace_keywords(root: ET.Element, keywords: Sequence[str], path: Path) -> None:
    descriptions = list(root.iter(DESCRIPTION))
    if not descriptions:
        raise SidecarError(f"{path}: XMP without a description; it is not changed")
    with_subject = [each for each in descriptions if each.find(SUBJECT) is not None]
    with_own = [each for each in descriptions if each.find(KEYWORDS) is not None]
    before = {item.text for each in with_own for item in each.iterfind(f"{KEYWORDS}/{BAG}/{ITEM}")}
    for each in with_own:
        for element in each.findall(KEYWORDS):
            each.remove(element)
    place = (with_subject or descriptions)[0]
    subject = place.find(SUBJECT)
    if subject is None:
        subject = ET.SubElement(place, SUBJECT)
    bag = next((subject.find(kind) for kind in CONTAINERS if subject.find(kind) is not None), None)
    if bag is None:
        bag = ET.SubElement(subject, BAG)
    for item in bag.findall(ITEM):
        if item.text in before:
            bag.remove(item)
    present = {item.text for item in bag.iterfind(ITEM)}
    new = [keyword for keyword in dict.fromkeys(map(_plain, keywords)) if keyword not in present]
    for keyword in new:
        ET.SubElement(bag, ITEM).text = keyword
    if not len(bag):
        place.remove(subject)
    if new:
        own = ET.SubElement(ET.SubElement(place, KEYWORDS), BAG)
        for keyword in new:
            ET.SubElement(own, ITEM).text = keyword


def _plain(keyword: str) -> str:
    """Return a keyword without the characters that XML 1.0 cannot hold."""
    return "".join(character for character in keyword if character.isprintable())
