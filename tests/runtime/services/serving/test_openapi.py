"""The description of the interface and the real answers."""

from typing import Any

import pytest

from runtime import FlowerClassifier
from runtime.services.serving.openapi import openapi_document
from runtime.services.serving.settings import ServeSettings
from tests.runtime.services.serving.running import Answered, Running, form, read_answer, running

jsonschema = pytest.importorskip("jsonschema")
openapi = pytest.importorskip("openapi_spec_validator")
BEARER = "0123456789abcdef-token"


def check(document: dict[str, Any], method: str, path: str, answer: Answered) -> None:
    """Fail if the document does not describe this answer."""
    described = document["paths"][path][method.lower()]["responses"][str(answer.status)]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = described["content"][kind]["schema"]
    value = answer.json if kind == "application/json" else answer.body.decode()
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)
    assert {name.lower() for name in described.get("headers", {})} <= {name.lower() for name in answer.headers}


def test_the_document_is_valid(classifier: FlowerClassifier) -> None:
    for settings in (ServeSettings(), ServeSettings(token=BEARER)):
        openapi.validate(openapi_document(classifier.classes, settings))


def test_the_document_describes_the_answers(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier, body_bytes=100_000, queue=1, body_seconds=2) as service:
        document = service.request("GET", "/openapi.json").json
        openapi.validate(document)
        body, kind = form(("photo", "a.png", red))
        requests: list[tuple[int, str, str, Any, dict[str, str]]] = [
            (200, "POST", "/classify", red, {}),
            (200, "POST", "/classify", body, {"Content_Type": kind}),
            (400, "POST", "/classify", b"", {"Content_Type": kind}),
            (403, "POST", "/classify", red, {"Host": "evil.example"}),
            (405, "GET", "/classify", None, {}),
            (413, "POST", "/classify", bytes(100_001), {}),
            (422, "POST", "/classify", b"no photo", {}),
            (200, "GET", "/health", None, {}),
            (200, "GET", "/model", None, {}),
            (200, "GET", "/metrics", None, {}),
            (200, "GET", "/openapi.json", None, {}),
        ]
        for status, method, path, content, headers in requests:
            answer = service.request(method, path, content, **headers)
            assert answer.status == status
            described = "POST" if status == 405 else method
            check(document, described, path, answer)
        check_late_and_busy(service, document, red)
        served = {path for path in document["paths"] if service.request("PUT", path).status == 405}
        assert served == set(document["paths"])


def check_late_and_busy(service: Running, document: dict[str, Any], red: bytes) -> None:
    """Check 429 while a slow photo has the only place, and 408 for that one."""
    with service.connect(b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n") as slow:
        while (answer := service.request("POST", "/classify", red)).status != 429:
            assert answer.status == 200
        check(document, "POST", "/classify", answer)
        head, body = read_answer(slow)
    assert head.startswith(b"HTTP/1.1 408 ")
    check(document, "POST", "/classify", Answered(408, {"content-type": "application/json"}, body))


def test_the_document_says_where_a_token_is_needed(classifier: FlowerClassifier) -> None:
    with running(classifier, token=BEARER) as service:
        document = service.request("GET", "/openapi.json", Authorization=f"Bearer {BEARER}").json
        assert document["security"] == [{"token": []}]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                answer = service.request(method.upper(), path)
                is_open = operation.get("security") == []
                assert (answer.status == 401) != is_open
                if not is_open:
                    check(document, method, path, answer)


def test_what_the_command_adds_to_an_answer_is_described(classifier: FlowerClassifier, red: bytes) -> None:
    def extend(values: dict[str, Any], photo: bytes) -> dict[str, Any]:
        assert photo == red
        for prediction in values["predictions"]:
            prediction |= {"latin": None, "name": "rot"}
        return values | {"taken": None, "latitude": 1.5, "longitude": None}

    with running(classifier, extend=extend) as service:
        answer = service.request("POST", "/classify", red)
        check(service.request("GET", "/openapi.json").json, "POST", "/classify", answer)
    assert answer.json["latitude"] == 1.5
