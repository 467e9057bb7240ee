"""OpenAPI fragments: request bodies parsed by hand, error responses, and the tokens that routes need."""

from typing import Any, Final

from fastapi import FastAPI

from petmood.core.schemas import PHOTO_FIELD, ErrorResponse, FeedbackRequest
from petmood.serving.middleware.auth import Access, access_to
from petmood.serving.settings import Settings

__all__ = [
    "BATCH_REQUEST",
    "EXPLAIN_REQUEST",
    "FEEDBACK_REQUEST",
    "LOAD_REQUEST",
    "PREDICT_REQUEST",
    "REFUSALS",
    "ROLLBACK_REQUEST",
    "VERTEX_REQUEST",
    "document_tokens",
]

_FILE: Final = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC."}
_REASON: Final = {"type": "string", "maxLength": 500, "default": ""}


def _form(field: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": [PHOTO_FIELD], "properties": {PHOTO_FIELD: field}}}


def _json(schema: dict[str, Any], example: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }


def _photo_request(path: str) -> dict[str, Any]:
    """Return the documentation of a request with one photo, as a form field or as the body."""
    address = f"http://127.0.0.1:8000{path}"
    commands = (
        f"curl -F photo=@pet.jpg {address}",
        f"curl -H 'Content-Type: image/jpeg' --data-binary @pet.jpg {address}",
    )
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": _form(_FILE),
                "image/jpeg": {"schema": _FILE},
                "image/png": {"schema": _FILE},
                "image/webp": {"schema": _FILE},
                "application/octet-stream": {"schema": _FILE},
            },
        },
        "x-codeSamples": [{"lang": "Shell", "source": command} for command in commands],
    }


PREDICT_REQUEST: Final = _photo_request("/predict")
EXPLAIN_REQUEST: Final = _photo_request("/explain")
BATCH_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": _form({"type": "array", "items": _FILE, "minItems": 1, "maxItems": 32})},
    },
    "x-codeSamples": [
        {"lang": "Shell", "source": "curl -F photo=@a.jpg -F photo=@b.jpg http://127.0.0.1:8000/predict/batch"}
    ],
}
VERTEX_REQUEST: Final = _json(
    {
        "type": "object",
        "required": ["instances"],
        "properties": {
            "instances": {
                "type": "array",
                "minItems": 1,
                "maxItems": 32,
                "items": {"type": "object", "required": ["b64"], "properties": {"b64": {"type": "string"}}},
            }
        },
    },
    {"instances": [{"b64": "/9j/4AAQSkZJRgABAQ=="}]},
)
LOAD_REQUEST: Final = _json(
    {
        "type": "object",
        "required": ["bundle"],
        "properties": {"bundle": {"type": "string", "minLength": 1, "maxLength": 1024}, "reason": _REASON},
        "additionalProperties": False,
    },
    {"bundle": "bundles/second", "reason": "higher recall on rabbits"},
)
ROLLBACK_REQUEST: Final = _json(
    {"type": "object", "properties": {"reason": _REASON}, "additionalProperties": False},
    {"reason": "too many rabbits classified as sad"},
    required=False,
)

FEEDBACK_REQUEST: Final[dict[str, Any]] = {
    **_json(FeedbackRequest.model_json_schema(), {"request_id": "1c5a9e0b", "label": "happy", "note": "ears up"}),
    "x-codeSamples": [
        {
            "lang": "Shell",
            "source": 'curl --json \'{"request_id": "1c5a9e0b", "right": true}\' http://127.0.0.1:8000/feedback',
        }
    ],
}

_MEANING: Final = {
    400: "empty file, malformed form or malformed JSON",
    401: "missing or wrong token",
    403: "route disabled, or origin not allowed",
    408: "request body sent too slowly",
    413: "too many bytes or pixels",
    415: "unsupported image format or content type",
    422: "corrupt image, too small, extreme aspect ratio, or wrong fields",
    429: "rate limit exceeded; see Retry-After",
    500: "unexpected error of the service",
    503: "overloaded or shutting down; see Retry-After",
}
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorResponse, "description": meaning} for status, meaning in _MEANING.items()
}

_TOKENS: Final = {
    Access.TOKEN: "The token of the service, PETMOOD_TOKEN.",
    Access.ADMIN: "The token of the admin routes, PETMOOD_ADMIN_TOKEN.",
}


def document_tokens(app: FastAPI, settings: Settings) -> None:
    """Add the bearer token of each route to the OpenAPI document, so that Swagger UI can send it.

    ``AuthMiddleware`` checks the tokens before any route runs, so FastAPI has no dependency to document.
    """
    plain_document = app.openapi

    def document() -> dict[str, Any]:
        schema = plain_document()
        used: set[Access] = set()
        for path, operations in schema["paths"].items():
            access = access_to(path, settings)
            if access is Access.ADMIN or (access is Access.TOKEN and settings.token is not None):
                used.add(access)
                for operation in operations.values():
                    operation["security"] = [{access.value: []}]
        schema.setdefault("components", {})["securitySchemes"] = {
            access.value: {"type": "http", "scheme": "bearer", "description": text}
            for access, text in _TOKENS.items()
            if access in used
        }
        return schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to extend the document
