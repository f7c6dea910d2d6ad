"""Requests and their answers."""

import json
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime import FlowerClassifier, ModelError, OutOfMemoryError
from runtime.answers.answer import answer_to_dict
from runtime.command_line.descriptions import describe_model
from tests.runtime.services.serving.running import Running, form, read_answer, running

BEARER = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def service(classifier: FlowerClassifier) -> Iterator[Running]:
    with running(classifier, body_bytes=100_000, top=2) as each:
        yield each


def test_a_photo_as_the_body_is_answered_as_the_command_does(
    service: Running, classifier: FlowerClassifier, red: bytes
) -> None:
    answer = service.request("POST", "/classify", red, Content_Type="image/png")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == answer_to_dict("upload", classifier.predict(red, 2))
    assert answer.json["predictions"][0]["label"] == "red"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("rose.png", "rose.png"),
        ("C:\\photos\\rose.png", "rose.png"),
        ("../../etc/rose\t.png", "rose.png"),
        ("", "upload"),
    ],
)
def test_the_first_file_of_a_form_is_answered(service: Running, red: bytes, name: str, shown: str) -> None:
    body, kind = form(("note", None, b"my garden"), ("photo", name, red), ("other", "b.png", b"no photo"))
    answer = service.request("POST", "/classify?top=1", body, Content_Type=kind)
    assert (answer.status, answer.json["photo"], len(answer.json["predictions"])) == (200, shown, 1)


def test_a_body_in_chunks_is_answered(service: Running, red: bytes) -> None:
    assert service.request("POST", "/classify", iter([red[:20], red[20:]])).status == 200


@pytest.mark.parametrize("top", ["0", "4", "-1", "1.0", "x", "", "1_0", "99999999999999999999"])
def test_a_wrong_top_is_refused(service: Running, red: bytes, top: str) -> None:
    answer = service.request("POST", f"/classify?top={top}", red)
    assert (answer.status, "from 1 to 3" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"no form", b"--limit\r\n\r\nx", b"--limit\r\nContent-Disposition: form-data\r\n\r\nx\r\n--limit--\r\n",
     form(("note", None, b"no file"))[0], form(*[("photo", "a.png", b"x")] * 11)[0]],
)  # fmt: skip
def test_a_damaged_form_is_refused(service: Running, body: bytes) -> None:
    for kind in ("multipart/form-data; boundary=limit", "multipart/form-data", "multipart/form-data; boundary=\xff"):
        answer = service.request("POST", "/classify", body, Content_Type=kind)
        assert (answer.status, "form" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize("body", [b"", b"no photo", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_photo_is_refused(service: Running, body: bytes) -> None:
    answer = service.request("POST", "/classify", body)
    assert (answer.status, list(answer.json)) == (422, ["error"])


def test_other_paths_and_methods_are_refused(service: Running) -> None:
    for method, path, status in (
        ("POST", "/", 405), ("GET", "/classify/", 404), ("POST", "/nothing", 404), ("GET", "/classify", 405),
        ("OPTIONS", "/classify", 405), ("POST", "/model", 405), ("HEAD", "/classify", 405),
    ):  # fmt: skip
        answer = service.request(method, path, b"" if method == "POST" else None)
        assert answer.status == status
        assert method == "HEAD" or list(answer.json) == ["error"]
    assert service.request("GET", "/classify").headers["allow"] == "POST"
    assert service.request("HEAD", "/health").status == 200


def test_a_client_cannot_fill_the_journal(classifier: FlowerClassifier, capfd: pytest.CaptureFixture[str]) -> None:
    with running(classifier) as service:
        assert service.request("POST", "/classify", b"x", Content_Type=form()[1]).status == 400
        assert service.request("GET", "/health", Upgrade="websocket", Connection="upgrade").status == 200
        with service.connect(b"no http at all\r\n\r\n") as connection:
            assert connection.recv(65536)
        with service.connect(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100):
            pass
    assert len(service.said) == 1
    assert capfd.readouterr() == ("", "")


def test_what_is_no_http_is_refused(service: Running) -> None:
    with service.connect(b"no http at all\r\n\r\n") as connection:
        head, body = read_answer(connection)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert list(json.loads(body)) == ["error"]


def test_the_model_is_described_as_by_the_command(service: Running, classifier: FlowerClassifier) -> None:
    assert service.request("GET", "/model").json == json.loads(describe_model(classifier, as_json=True))


def test_the_metrics_count_requests_and_verdicts(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier) as service:
        for body in (red, red, b"no photo"):
            service.request("POST", "/classify", body)
        answer = service.request("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    values = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert values["flower_edge_requests_total", "200"] == 2
    assert values["flower_edge_requests_total", "422"] == 1
    assert sum(values["flower_edge_answers_total", verdict] for verdict in ("name", "between", "unfamiliar")) == 2
    assert values["flower_edge_answer_seconds_count",] == values["flower_edge_answer_seconds_bucket", "+Inf"] == 2
    assert values["flower_edge_queue_photos",] == 0


def test_a_token_is_needed_for_all_but_the_health(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier, token=BEARER) as service:
        for method, path in (("POST", "/classify"), ("GET", "/model"), ("GET", "/metrics"), ("GET", "/openapi.json")):
            body = red if method == "POST" else None
            for wrong in ({}, {"Authorization": f"Bearer {BEARER}x"}, {"Authorization": f"Basic {BEARER}"},
                          {"Authorization": "Bearer \xff"}):  # fmt: skip
                answer = service.request(method, path, body, **wrong)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert service.request(method, path, body, Authorization=f"bearer {BEARER}").status == 200
        assert service.request("GET", "/health").json == {"status": "ready"}
        assert BEARER not in str(service.said) + repr(service.service._settings)


def test_pages_of_other_sites_cannot_use_a_service_without_a_token(service: Running, red: bytes) -> None:
    for headers in (
        {"Host": "evil.example"}, {"Host": f"evil.example:{service.port}"}, {"Host": "localhost.evil.example"},
        {"Host": "[::1"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ):  # fmt: skip
        answer = service.request("POST", "/classify", red, **headers)
        assert (answer.status, list(answer.json)) == (403, ["error"])
        assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}
    assert service.request("GET", "/model", Host="evil.example").status == 403
    for headers in (
        {"Host": "localhost"}, {"Host": f"[::1]:{service.port}"}, {"Sec_Fetch_Site": "same-origin"},
        {"Origin": f"http://127.0.0.1:{service.port}"},
    ):  # fmt: skip
        assert service.request("POST", "/classify", red, **headers).status == 200


def test_further_names_can_be_allowed(classifier: FlowerClassifier) -> None:
    with running(classifier, hosts=("flowers.example",)) as service:
        assert service.request("GET", "/health", Host="Flowers.example:443").status == 200
        assert service.request("GET", "/health", Host="other.example").status == 403


def test_errors_of_the_model_and_of_the_memory(
    classifier: FlowerClassifier, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [ModelError("/secret/model.onnx: failed"), OutOfMemoryError("the photo: not enough memory")]

    def fail(*_: object) -> None:
        raise errors[0]

    with running(classifier) as service:
        assert service.request("POST", "/classify", red).status == 200
        monkeypatch.setattr(classifier._session, "run", fail)
        answer = service.request("POST", "/classify", red)
        assert (answer.status, "secret" in answer.json["error"]) == (500, False)
        assert service.said[1:] == ["/secret/model.onnx: failed"]
        del errors[0]
        answer = service.request("POST", "/classify", red)
        assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
        monkeypatch.undo()
        assert service.request("POST", "/classify", red).status == 200  # the thread that answers goes on
