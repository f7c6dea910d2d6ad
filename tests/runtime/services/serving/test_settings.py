"""Settings, the token, and a missing package."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime import FlowerClassifier
from runtime.errors import FlowerError
from runtime.services.serving.serve import serve
from runtime.services.serving.service import listen
from runtime.services.serving.settings import ServeSettings, read_token

BEARER = "0123456789abcdef-token"


@pytest.mark.parametrize(
    "values",
    [
        {"port": -1}, {"port": 65536}, {"queue": 0}, {"body_bytes": 0}, {"body_bytes": 2**40}, {"queue_bytes": 5},
        {"connections": 0}, {"body_seconds": 0}, {"body_seconds": float("nan")}, {"head_seconds": -1},
        {"stop_seconds": 1e9}, {"top": 0}, {"host": ""}, {"host": "a b"}, {"token": "short"},
        {"token": "x" * 16 + "\n"}, {"token": "ä" * 20},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FlowerError):
        ServeSettings(**values)


def test_without_a_token_only_this_computer_is_served() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.2", "garden.local", ""):  # noqa: S104 (refused)
        with pytest.raises(FlowerError):
            ServeSettings(host=host)
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert ServeSettings(host=host).is_local
    assert not ServeSettings(host="::", token=BEARER).is_local
    assert not ServeSettings(host="::", allow_anyone=True).is_local


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, page: Path) -> None:
    assert ServeSettings(page=page).page == page
    with pytest.raises(FlowerError, match="not a web bundle"):
        ServeSettings(page=tmp_path)


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWER_EDGE_TOKEN", raising=False)
    assert read_token() is None
    monkeypatch.setenv("FLOWER_EDGE_TOKEN", "of-the-environment")
    assert read_token() == "of-the-environment"
    (tmp_path / "token").write_text(f"{BEARER}\n")
    assert read_token(tmp_path / "token") == BEARER
    for content in (b"", b"my secret words are here", b"\xff" * 20, b"x" * 1_000_000):
        (tmp_path / "token").write_bytes(content)
        with pytest.raises(FlowerError) as caught:
            read_token(tmp_path / "token")
        assert "secret" not in str(caught.value)
    with pytest.raises(FlowerError, match="cannot be read"):
        read_token(tmp_path / "missing")


def test_a_missing_package_is_one_line(classifier: FlowerClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(FlowerError, match=r"uvicorn is not installed; run: .*pip install '.*\[serve\]'"):
        serve(classifier, ServeSettings(port=0), say=print, description={})


def test_answers_are_sent_without_delay() -> None:
    # asyncio sets TCP_NODELAY on the connections of a socket with this protocol only.
    with listen("127.0.0.1", 0) as bound:
        assert bound.proto == socket.IPPROTO_TCP
