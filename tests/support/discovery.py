"""Check of requests against the discovery documents of Google's APIs, which google-api-python-client ships."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "string": (str, int, bool),  # numbers of 64 bits and durations are strings in JSON; YAML may have them plain
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


@cache
def document(api: str) -> dict[str, Any]:
    """Return the discovery document of an API such as ``run.v2``."""
    folder = files("googleapiclient.discovery_cache").joinpath("documents")
    found: dict[str, Any] = json.loads(folder.joinpath(f"{api}.json").read_bytes())
    return found


def problems(value: Any, *, api: str, schema: str) -> list[str]:  # noqa: ANN401 - any JSON value
    """Return what in a value doesn't fit a schema of an API: unknown fields, wrong types and values of an enum."""
    schemas = document(api)["schemas"]
    return list(_problems(value, {"$ref": schema}, schemas, "$"))


def _problems(value: Any, kind: dict[str, Any], schemas: dict[str, Any], at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if "$ref" in kind:
        kind = schemas[kind["$ref"]]
    name = kind.get("type", "any")
    if name == "any":
        return
    expected: Any = KINDS[name]
    if not isinstance(value, expected) or (isinstance(value, bool) and name in {"integer", "number"}):
        yield f"{at}: expected {name}, got {value!r}"
        return
    if "enum" in kind and value not in kind["enum"]:
        yield f"{at}: {value!r} is none of {', '.join(kind['enum'])}"
    if name == "array":
        for number, item in enumerate(value):
            yield from _problems(item, kind["items"], schemas, f"{at}[{number}]")
    elif name == "object":
        fields, others = kind.get("properties", {}), kind.get("additionalProperties")
        for key, item in value.items():
            found = fields.get(key, others)
            if found is None:
                yield f"{at}: unknown field {key!r}"
            else:
                yield from _problems(item, found, schemas, f"{at}.{key}")
