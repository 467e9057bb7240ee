"""ONNX Runtime session of a bundle's network: CPU only, one thread by default, without spin-waiting."""

import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle_files import read_limited
from petmood.core.errors import BundleError
from petmood.core.extras import require
from petmood.core.processors import processor_count

__all__ = ["OnnxSession", "run_singly"]

logger = logging.getLogger(__name__)

TELEMETRY_OFF: Final = "ORT_DISABLE_TELEMETRY"

EXTERNAL: Final = re.compile(rb"(?:\x08|\x88\x80{0,8}\x00)location")
"""The protobuf key ``location`` of a tensor in an external file, after its length 8 in every valid varint encoding;
fields may come in any order."""


class OnnxSession:
    """A loaded network: input uint8 [B, S, S, 3], outputs by name; by default one, the logits float32 [B, K].

    The network may have more outputs. They are computed all the same: ``RunOptions.only_execute_path_to_fetches`` has
    an effect in builds for training alone.
    The file is read into memory first. So ONNX external data, which may refer to any path, is never read.

    Raises:
        BundleError: the file is not an ONNX network with a uint8 input and these float outputs, or has external data.
        MissingDependency: onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int = 1, outputs: Sequence[str] = ("logits",)) -> None:
        os.environ.setdefault(TELEMETRY_OFF, "1")  # before the import, which would write a device id and send telemetry
        runtime = require("onnxruntime", extra="serve")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        data = read_limited(path)
        _refuse_external_data(data, path)
        try:
            self._session: Any = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common public base class
            logger.debug("onnxruntime can't load %s", path, exc_info=True)
            raise BundleError(f"{path} is not a valid ONNX network. Copy or export the bundle again.") from error
        inputs, found = self._session.get_inputs(), self._session.get_outputs()
        wanted = [f"{name} tensor(float)" for name in outputs]
        got = [f"{output.name} {output.type}" for output in found]
        if [item.type for item in inputs] != ["tensor(uint8)"] or not {*wanted} <= {*got}:
            raise BundleError(
                f"{path}: expected one input tensor(uint8) and as outputs {', '.join(wanted)}; "
                f"got inputs {', '.join(item.type for item in inputs)}; outputs {', '.join(got)}. Export the run again."
            )
        self._input, self.outputs = inputs[0].name, tuple(outputs)

    def run(self, pixels: NDArray[np.uint8], *, only: Sequence[str] = ()) -> dict[str, NDArray[np.float32]]:
        """Return the outputs [B, ...] by name for prepared photos uint8 [B, S, S, 3]; with ``only``, just these.

        Raises:
            BundleError: the network can't run on pixels of this shape, or an output has not one row for each photo.
        """
        names = tuple(only) or self.outputs
        try:
            found = self._session.run(names, {self._input: pixels})
        except Exception as error:  # as above
            reason = " ".join(str(error).split())
            raise BundleError(f"The network can't run on input of shape {pixels.shape}: {reason}") from error
        outputs = {name: np.asarray(one, dtype=np.float32) for name, one in zip(names, found, strict=True)}
        for name, one in outputs.items():
            if one.shape[:1] != pixels.shape[:1]:
                raise BundleError(
                    f"The network gives {name} of shape {one.shape} for {len(pixels)} photos; expected one row for "
                    "each. Export the run again."
                )
        return outputs

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return calibrated logits float32 [B, K] for prepared photos uint8 [B, S, S, 3].

        Raises:
            BundleError: as ``run``.
        """
        return self.run(pixels, only=("logits",))["logits"]


def run_singly(session: OnnxSession, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return all outputs [N, ...], run in batches of one; a single batch of 32 took 0.5 GB that was never freed.

    Raises:
        BundleError: as ``OnnxSession.run``.
    """
    with ThreadPoolExecutor(max_workers=processor_count()) as threads:
        found = list(threads.map(session.run, np.split(pixels, len(pixels))))
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _refuse_external_data(data: bytes, path: Path) -> None:
    """Reject a network with tensors in external files; such a tensor has an entry with the key "location"."""
    if EXTERNAL.search(data):
        raise BundleError(f"{path} stores weights in an external file; this is not allowed. Export the run again.")
