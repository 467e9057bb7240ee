"""Long service deadlines for tests of anything but these deadlines."""

from typing import Any, Final

GENEROUS: Final[dict[str, Any]] = {
    "header_timeout_s": 600,
    "body_timeout_s": 600,
    "idle_timeout_s": 600,
    "max_wait_s": 600,
}
"""Settings of the service by name."""
GENEROUS_ENVIRONMENT: Final = {f"PETMOOD_{name.upper()}": str(value) for name, value in GENEROUS.items()}
"""The same as environment variables."""
