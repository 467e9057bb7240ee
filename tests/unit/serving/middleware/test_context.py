"""Tests of the request context: client ids and traces, with new ids for invalid ones."""

import os
import re
import subprocess
import sys

import pytest

from petmood.serving.middleware.context import RequestContext, context_of, header, start_request_context

TRACE = "0af7651916cd43dd8448eb211c80319c"


def opened(**headers: str) -> RequestContext:
    """Open a request with headers."""
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return start_request_context({"headers": pairs})


@pytest.mark.parametrize("given", ["abc-1", "A.b_c", "x" * 64])
def test_a_plain_id_is_kept(given: str) -> None:
    assert opened(x_request_id=given).request_id == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "a\nb", "\xe9"])
def test_a_strange_id_is_replaced(given: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", opened(x_request_id=given).request_id)


def test_ids_differ() -> None:
    assert len({opened().request_id for _ in range(10_000)}) == 10_000


def test_a_trace_comes_from_either_header() -> None:
    assert opened(traceparent=f"00-{TRACE}-b7ad6b7169203331-01").trace_id == TRACE
    assert opened(x_cloud_trace_context=f"{TRACE}/123;o=1").trace_id == TRACE
    assert opened(x_cloud_trace_context="rubbish", traceparent="00-1-2-3").trace_id is None


def test_whether_a_body_is_to_come_is_known_beforehand() -> None:
    assert opened().body_done
    assert opened(content_length="0").body_done
    assert not opened(content_length="5").body_done
    assert not opened(transfer_encoding="chunked").body_done
    assert opened(content_length="5").declared == 5
    assert opened(content_length="five").declared is None


@pytest.mark.parametrize(
    ("given", "declared"),
    [("0" * 5000 + "5", 5), ("0" * 5000, 0), ("9" * 5000, int("9" * 20)), ("1" + "0" * 30, 10**19), ("", None)],
)
def test_a_length_of_many_digits_is_a_number(given: str, declared: int | None) -> None:
    """Python refuses to convert more than 4,300 digits."""
    assert opened(content_length=given).declared == declared


def test_a_header_is_found_by_its_name() -> None:
    scope = {"headers": [(b"a", b"1"), (b"b", b"2"), (b"b", b"3")], "state": {"call": opened()}}
    assert (header(scope, b"b"), header(scope, b"c")) == ("2", None)
    assert context_of(scope).route is None


FORKED = """
import os
from petmood.serving.middleware.context import start_request_context

reading, writing = os.pipe()
ended = os.fork()
if not ended:
    os.write(writing, start_request_context({"headers": []}).request_id.encode())
    os._exit(0)
os.waitpid(ended, 0)
print(os.read(reading, 100).decode(), start_request_context({"headers": []}).request_id)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_processes_that_are_forked_give_different_request_ids() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    of_child, of_parent = done.stdout.split()
    assert of_child != of_parent
