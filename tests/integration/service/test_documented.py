"""Schemathesis tests of the application against its OpenAPI document, in this process."""

from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from petmood.core.errors import BundleError
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.settings import Settings
from tests.support.generous import GENEROUS

CHECKS: Final = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TOKEN: Final = "0123456789abcdef"  # noqa: S105 - test token
EXAMPLES: Final = 60


def every_second(folder: Path) -> FakePredictor:
    """Reject about half of all bundles."""
    if len(str(folder)) % 2:
        raise BundleError("No bundle.")
    return FakePredictor(version=str(len(str(folder))))


@pytest.mark.proof
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as declared", "otherwise"])
@pytest.mark.parametrize("vertex", [False, True], ids=["plain", "on Vertex AI"])
def test_schemathesis_finds_nothing(vertex: bool, mode: GenerationMode) -> None:
    routes = {"AIP_HEALTH_ROUTE": "/ping", "AIP_PREDICT_ROUTE": "/v1"} if vertex else {}
    chosen = Settings.model_validate({"threads": 1, "admin_token": TOKEN, **GENEROUS, **routes})
    app = create_app(FakePredictor(), settings=chosen, open_model=every_second)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    asked: dict[str, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr] # an invalid document fails here
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # without parameters there is no invalid input

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Case[Any]) -> None:
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {TOKEN}"})

        ask()
    assert len(asked) >= (8 if mode is GenerationMode.POSITIVE else 3)
