"""Object store in an S3 bucket; exclusive creation uses the If-None-Match precondition."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from petmood.core.bundle_files import OTHER_BYTES
from petmood.core.errors import RegistryError
from petmood.core.extras import require
from petmood.core.redact import one_line
from petmood.registry.base import check_object_size

__all__ = ["S3Store"]

TAKEN: Final = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
MISSING: Final = {"NoSuchKey", "404"}


class S3Store:
    """Object store below a prefix of a bucket; ``AWS_ENDPOINT_URL_S3`` selects another server.

    Raises:
        RegistryError: the bucket can't be accessed; every method raises it too.
        MissingDependency: boto3 is not installed.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        boto3 = require("boto3", extra="bucket")
        config = require("botocore.config", extra="bucket").Config(
            connect_timeout=5, read_timeout=30, retries={"max_attempts": 3, "mode": "standard"}
        )
        errors = require("botocore.exceptions", extra="bucket")
        self._refused, self._failed = errors.ClientError, errors.BotoCoreError
        try:
            self._client: Any = boto3.session.Session().client("s3", config=config)
        except self._failed as error:
            raise RegistryError(
                f"s3://{bucket} can't be accessed ({one_line(error)}). Set it up with: aws configure"
            ) from error
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes under a new key; return False if the key is taken."""
        return self._call("put_object", key, passed=TAKEN, Body=data, IfNoneMatch="*") is not None

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes under a key, replacing existing ones."""
        self._call("put_object", key, Body=data)

    def read(self, key: str, *, max_bytes: int = OTHER_BYTES) -> bytes | None:
        """Return the bytes under a key; None if there are none, RegistryError if there are more than ``max_bytes``."""
        found = self._call("get_object", key, passed=MISSING)
        if found is None:
            return None
        check_object_size(found["ContentLength"], f"{self.address}/{key}", max_bytes=max_bytes)
        with self._errors_in_one_line():
            data: bytes = found["Body"].read()  # the body is streamed, so the connection can break here
        return data

    def names(self, prefix: str) -> Sequence[str]:
        """Return the names directly below a prefix, sorted."""
        start = f"{self._prefix}{prefix}/"
        with self._errors_in_one_line():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted({key.removeprefix(start).partition("/")[0] for key in keys})

    def _call(self, name: str, key: str, *, passed: frozenset[str] | set[str] = frozenset(), **given: Any) -> Any:  # noqa: ANN401 - boto3's
        """Call the client; return None if it fails with one of the error codes in ``passed``."""
        with self._errors_in_one_line():
            try:
                return getattr(self._client, name)(Bucket=self._bucket, Key=self._prefix + key, **given)
            except self._refused as error:
                if str(error.response.get("Error", {}).get("Code")) not in passed:
                    raise
        return None

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        """Turn the client's errors into ``RegistryError``."""
        try:
            yield
        except (self._refused, self._failed) as error:
            raise RegistryError(
                f"{self.address} can't be accessed ({one_line(error)}). Check the address and permissions."
            ) from error
