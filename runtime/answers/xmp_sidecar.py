"""Answers as keywords in a sidecar, ``photo.jpg.xmp`` beside ``photo.jpg``. The photo itself is never changed.

The form is XMP (ISO 16684-1) with the keywords in ``dc:subject``, which digiKam, darktable and Immich read. A sidecar
that other programs wrote keeps everything that is in it. The keywords that were written here before are listed in a
property of our own, so that a new answer takes their place.
"""

import io
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import write_bytes

SUFFIX = ".xmp"
MAX_BYTES = 4 * 1024**2
"""Largest sidecar that is read."""
META, RDF, DC = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
OWN = "urn:flower-edge:xmp:1.0/"
"""The namespace of our own property."""
PREFIXES = {"x": META, "rdf": RDF, "dc": DC, "flowerEdge": OWN}
SUBJECT, KEYWORDS = f"{{{DC}}}subject", f"{{{OWN}}}keywords"
BAG, ITEM, DESCRIPTION, ABOUT = (f"{{{RDF}}}{name}" for name in ("Bag", "li", "Description", "about"))


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
    write_bytes(path, content)
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
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_BYTES:
        raise SidecarError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not a sidecar")
    return content


class _TreeBuilder(ET.TreeBuilder):
    def doctype(self, *_: object) -> None:
        """Refuse a document type, which XMP has none of. Its entities could expand to gigabytes."""
        raise ValueError("it has a document type")


def _parse(content: bytes, path: Path) -> ET.Element:
    try:
        parser = ET.XMLParser(target=_TreeBuilder(insert_comments=True))  # noqa: S314 (see `_TreeBuilder`)
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
    bag = subject.find(BAG)
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
