"""Object store in a Google Cloud Storage bucket; exclusive creation uses the precondition of generation 0."""

from collections.abc import Sequence
from typing import Any, Final

from petmood.core.bundle_files import OTHER_BYTES
from petmood.core.errors import RegistryError
from petmood.core.extras import require
from petmood.core.redact import one_line
from petmood.registry.base import check_object_size

__all__ = ["GcsStore"]

TIMEOUT_S: Final = 30


class GcsStore:
    """Object store below a prefix of a bucket; ``STORAGE_EMULATOR_HOST`` selects another server.

    Raises:
        RegistryError: the bucket can't be accessed; every method raises it too.
        MissingDependency: google-cloud-storage is not installed.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        storage = require("google.cloud.storage", extra="bucket")
        self._exceptions = require("google.api_core.exceptions", extra="bucket")
        try:
            self._bucket: Any = storage.Client().bucket(bucket)
        except Exception as error:  # google-auth's errors share no base class with the client's
            raise RegistryError(
                f"gs://{bucket} can't be accessed ({one_line(error)}). "
                "Log in with: gcloud auth application-default login"
            ) from error
        self._prefix = f"{prefix}/" if prefix else ""
        self.address = f"gs://{bucket}/{prefix}".rstrip("/")

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes under a new key; return False if the key is taken."""
        try:
            self._upload(key, data, if_generation_match=0)
        except self._exceptions.PreconditionFailed:
            return False
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes under a key, replacing existing ones."""
        self._upload(key, data)

    def read(self, key: str, *, max_bytes: int = OTHER_BYTES) -> bytes | None:
        """Return the bytes under a key; None if there are none, RegistryError if there are more than ``max_bytes``."""
        try:
            blob = self._bucket.get_blob(self._prefix + key, timeout=TIMEOUT_S)
            if blob is None:
                return None
            check_object_size(blob.size, f"{self.address}/{key}", max_bytes=max_bytes)
            data: bytes = blob.download_as_bytes(timeout=TIMEOUT_S)
        except self._exceptions.NotFound:
            return None
        except RegistryError:
            raise
        except Exception as error:
            raise self._refusal(error) from error
        return data

    def names(self, prefix: str) -> Sequence[str]:
        """Return the names directly below a prefix, sorted."""
        start = f"{self._prefix}{prefix}/"
        try:
            blobs = self._bucket.client.list_blobs(self._bucket, prefix=start, timeout=TIMEOUT_S)
            names = {blob.name.removeprefix(start).partition("/")[0] for blob in blobs}
        except Exception as error:
            raise self._refusal(error) from error
        return sorted(names)

    def _upload(self, key: str, data: bytes, **conditions: int) -> None:
        blob = self._bucket.blob(self._prefix + key)
        try:
            blob.upload_from_string(data, content_type="application/octet-stream", timeout=TIMEOUT_S, **conditions)
        except self._exceptions.PreconditionFailed:
            raise
        except Exception as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> RegistryError:
        return RegistryError(
            f"{self.address} can't be accessed ({one_line(error)}). Check the address and permissions."
        )
