"""Keywords in the sidecar of a photo."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from runtime.answers.xmp_sidecar import SidecarError, sidecar_path, write_sidecar

ITEMS = ".//{http://purl.org/dc/elements/1.1/}subject/*/{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
OTHER = """<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmp:Rating="4">
   <dc:subject><rdf:Bag><rdf:li>Garten</rdf:li><rdf:li>rose</rdf:li></rdf:Bag></dc:subject>
   <digiKam:TagsList><rdf:Seq><rdf:li>Orte/Garten</rdf:li></rdf:Seq></digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>
"""


def keywords(photo: Path) -> list[str | None]:
    return [item.text for item in ET.parse(sidecar_path(photo)).iterfind(ITEMS)]  # noqa: S314 (our own file)


def test_new_answer_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    assert write_sidecar(photo, ["Sonnenblume", "Helianthus annuus"])
    assert keywords(photo) == ["Sonnenblume", "Helianthus annuus"]
    assert not write_sidecar(photo, ["Sonnenblume", "Helianthus annuus"])
    assert write_sidecar(photo, ["Rose & <Dorn>"])
    assert keywords(photo) == ["Rose & <Dorn>"]
    assert write_sidecar(photo, [])
    assert keywords(photo) == []
    assert not write_sidecar(tmp_path / "b.jpg", [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg.xmp"]


def test_what_other_programs_wrote_stays(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    sidecar_path(photo).write_text(OTHER)
    write_sidecar(photo, ["rose", "Rosa cultivars"])
    assert keywords(photo) == ["Garten", "rose", "Rosa cultivars"]
    write_sidecar(photo, [])
    assert keywords(photo) == ["Garten", "rose"]  # the user's own "rose" stays, too
    text = sidecar_path(photo).read_text()
    assert 'xmp:Rating="4"' in text
    assert "<digiKam:TagsList>" in text
    assert "Orte/Garten" in text


@pytest.mark.parametrize(
    "content",
    [
        b"no xml",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
        b"<a>" * 2000 + b"</a>" * 2000,
        b"<a/>",
        b"",
        b'<?xml version="1.0" encoding="x-none"?><a/>',
    ],
)
def test_files_that_are_no_sidecars_are_not_changed(tmp_path: Path, content: bytes) -> None:
    photo = tmp_path / "a.jpg"
    sidecar_path(photo).write_bytes(content)
    with pytest.raises(SidecarError, match="not changed"):
        write_sidecar(photo, ["rose"])
    assert sidecar_path(photo).read_bytes() == content


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    os.mkfifo(sidecar_path(photo))
    with pytest.raises(SidecarError, match="not a file"):
        write_sidecar(photo, ["rose"])


def test_other_containers_and_permissions_stay(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    sidecar_path(photo).write_text(OTHER.replace("rdf:Bag", "rdf:Seq"))
    sidecar_path(photo).chmod(0o664)
    write_sidecar(photo, ["Rosa cultivars"])
    assert keywords(photo) == ["Garten", "rose", "Rosa cultivars"]
    assert sidecar_path(photo).stat().st_mode & 0o777 == 0o664
