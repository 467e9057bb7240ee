"""Settings of a deployment with every service, and a test for each of them."""

import pytest

from petmood.cloud.settings import CloudSettings, Component

__all__ = ["EACH", "SETTINGS"]

SETTINGS = CloudSettings(
    project="pets-12345",
    region="europe-west4",
    api_url="https://petmood-api-abc.a.run.app",
    cloud_sql="pets-12345:europe-west4:petmood",
)
EACH = pytest.mark.parametrize("component", list(Component))
