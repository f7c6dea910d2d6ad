"""The web page at ``/``."""

from pathlib import Path
from urllib.parse import quote

from export.web import server
from runtime import FlowerClassifier
from runtime.services.page_headers import ISOLATION, SECURITY
from runtime.services.serving import page as served_page
from runtime.services.serving.page import HEADERS
from tests.runtime.services.serving.running import running


def test_the_files_of_a_bundle_are_served(classifier: FlowerClassifier, page: Path) -> None:
    with running(classifier, page=page) as service:
        for path, kind in (
            ("/", "text/html; charset=utf-8"), ("/app.js", "text/javascript; charset=utf-8"),
            ("/worker.mjs", "text/javascript; charset=utf-8"), ("/model.json", "application/json"),
            ("/model.ort.gz", "application/gzip"),
        ):  # fmt: skip
            answer = service.request("GET", path)
            assert (answer.status, answer.headers["content-type"]) == (200, kind)
            for name, value in (SECURITY | ISOLATION).items():
                assert answer.headers[name.lower()] == value
            assert answer.body == (page / (path[1:] or "index.html")).read_bytes()
        etag = service.request("GET", "/app.js").headers["etag"]
        assert service.request("GET", "/app.js", If_None_Match=etag).status == 304
        assert service.request("POST", "/app.js", b"x").status == 405
        assert service.request("GET", "/health").json == {"status": "ready"}
        assert service.request("GET", "/classify").status == 405


def test_no_path_leaves_the_folder(classifier: FlowerClassifier, page: Path) -> None:
    secret = page.parent / "secret.txt"
    with running(classifier, page=page) as service:
        for path in (
            "/link.txt", "/loop.txt", "/.hidden", "/inner/../.hidden", "/../secret.txt", "/%2e%2e/secret.txt",
            "/..%2fsecret.txt", "/inner/..%2f..%2fsecret.txt", "//" + str(secret), "/%00", "/..%5csecret.txt",
            "/" + quote(str(secret), safe=""), "/inner", "/inner/", "/none.txt", "/" + "x" * 5000,
        ):  # fmt: skip
            answer = service.request("GET", path)
            assert (answer.status, list(answer.json)) == (404, ["error"]), path
            assert b"SECRET" not in answer.body
    assert len(service.said) == 1


def test_the_types_and_headers_are_those_of_the_server_for_looking() -> None:
    assert vars(served_page)["CONTENT_TYPES"].items() >= vars(server)["CONTENT_TYPES"].items()
    assert HEADERS.items() >= (SECURITY | ISOLATION).items()
