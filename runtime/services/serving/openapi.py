"""The description of the interface: an OpenAPI 3.1 document."""

from collections.abc import Sequence
from typing import Any, get_args

from runtime.answers.answer import Verdict
from runtime.distribution import __version__
from runtime.services.serving.settings import ServeSettings

JSON_TYPE = "application/json"
TEXT = {"type": "string"}
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
ERRORS = {
    400: "The request is malformed: no HTTP, a wrong `top`, a damaged form or one without a file.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site, or under a name that the service does not know.",
    404: "There is nothing under this path.",
    405: "The path does not take this method.",
    408: "The photo did not arrive in time.",
    413: "The photo is too large.",
    422: "The photo cannot be decoded; it is no photo, damaged, or has too many pixels.",
    429: "Too many photos wait.",
    500: "The model failed; the messages of the service say why.",
    503: "For now it does not work: too little memory, too many connections, or the service is stopping.",
}
"""Status → what it means."""
WITH_RETRY_AFTER = (429, 503)


def openapi_document(classes: Sequence[str], settings: ServeSettings) -> dict[str, Any]:
    """Return the document as JSON values.

    Args:
        classes: the names of the model's classes.
        settings: of the service.
    """
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "flower-edge", "version": __version__, "summary": "Names the flower in a photo."},
        "paths": {
            "/classify": {"post": _classify(len(classes), settings)},
            "/health": {"get": _health()},
            "/model": {"get": _operation("The metadata of the model file.", JSON_TYPE, _reference("Model"), 401)},
            "/metrics": {"get": _operation("Figures in the text format of Prometheus 0.0.4.", "text/plain", TEXT, 401)},
            "/openapi.json": {"get": _operation("This document.", JSON_TYPE, {"type": "object"}, 401)},
        },
        "components": {"schemas": _schemas(classes)},
    }
    if settings.token is not None:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _classify(classes: int, settings: ServeSettings) -> dict[str, Any]:
    photo = {"type": "string", "contentMediaType": "image/*"}
    form = {"type": "object", "properties": {"photo": photo}, "description": "The first field with a file name counts."}
    operation = _operation(
        "Names the flower in a photo.", JSON_TYPE, _reference("Answer"), 400, 401, 408, 413, 422, 429, 500, 503
    )
    return operation | {
        "parameters": [
            {
                "name": "top",
                "in": "query",
                "description": "How many classes the answer has.",
                "schema": {"type": "integer", "minimum": 1, "maximum": classes, "default": min(settings.top, classes)},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"The photo, at most {settings.body_bytes:,} bytes.",
            "content": {"image/*": {}, "application/octet-stream": {}, "multipart/form-data": {"schema": form}},
        },
    }


def _health() -> dict[str, Any]:
    operation = _operation("Whether photos are answered.", JSON_TYPE, _reference("Health"))
    stopped = {"description": "The service is stopping or stalled.", "content": {JSON_TYPE: {}}}
    stopped["content"][JSON_TYPE]["schema"] = _reference("Health")  # type: ignore[index]
    return operation | {"security": [], "responses": {**operation["responses"], "503": stopped}}


def _operation(summary: str, media_type: str, schema: dict[str, Any], *errors: int) -> dict[str, Any]:
    """Return an operation whose answer has this type. Every one can be refused with 403 and 405."""
    responses: dict[str, Any] = {"200": {"description": "OK", "content": {media_type: {"schema": schema}}}}
    for status in sorted({*errors, 403, 405}):
        response = {"description": ERRORS[status], "content": {JSON_TYPE: {"schema": _reference("Error")}}}
        if status in WITH_RETRY_AFTER:
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        responses[str(status)] = response
    return {"summary": summary, "responses": responses}


def _schemas(classes: Sequence[str]) -> dict[str, Any]:
    prediction = _object(
        {
            "label": {"enum": list(classes)},
            "index": {"type": "integer", "minimum": 0, "maximum": len(classes) - 1},
            "probability": PROBABILITY,
        }
    )
    # What the command adds on request is described, and not required.
    prediction["properties"] |= {"latin": {"type": ["string", "null"]}, "name": TEXT}
    answer = _object(
        {
            "photo": {"type": "string", "description": "The name of the file in a form, otherwise `upload`."},
            "verdict": {"enum": list(get_args(Verdict))},
            "familiarity": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "uncertain": {"type": "boolean", "description": "Whether the verdict is not `name`."},
            "predictions": {"type": "array", "items": _reference("Prediction"), "minItems": 1},
        }
    )
    number_or_null = {"type": ["number", "null"]}
    answer["properties"] |= {
        "taken": {"type": ["string", "null"]}, "latitude": number_or_null, "longitude": number_or_null
    }  # fmt: skip
    cuts = _object({"probability": PROBABILITY, "familiarity": PROBABILITY})
    anything = {"type": "object"}
    model = _object(
        {
            "format": {"type": "integer"},
            "classes": {"type": "array", "items": TEXT},
            "preprocessing": anything,
            "architecture": TEXT,
            "precision": TEXT,
            "temperature": {"type": "number"},
            "threshold": PROBABILITY,
            "familiarity_threshold": PROBABILITY,
            "strict": {"anyOf": [cuts, {"type": "null"}]},
            "familiarity": anything,
            "evaluation": anything,
            "calibration": anything,
            "training": anything,
            "versions": {"type": "object", "additionalProperties": TEXT},
            "device": TEXT,
            "threads": {"type": "integer"},
        }
    )
    model["properties"]["board"] = {"type": ["string", "null"]}
    return {
        "Answer": answer,
        "Prediction": prediction,
        "Model": model,
        "Health": _object({"status": {"enum": ["ready", "stopping", "stalled"]}}),
        "Error": _object({"error": {"type": "string", "description": "One line: what is wrong."}}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False
    }  # fmt: skip


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
