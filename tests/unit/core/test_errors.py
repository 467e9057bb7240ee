"""Tests of the error tree: the docstring matches the code, and codes are unique."""

import re

import pytest

from petmood.core import errors
from petmood.core.errors import PetmoodError, PhotoError, PromotionRejected, RequestError


def tree(kind: type[PetmoodError]) -> list[type[PetmoodError]]:
    """Return an error and all that were derived from it."""
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


def drawn_parents() -> dict[str, str]:
    """Read the tree that the docstring draws: name -> parent's name."""
    parents: dict[str, str] = {}
    path = ["PetmoodError"]
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = 1 + len(match[1]) // 4
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1]
    return parents


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    ours = [kind for kind in tree(PetmoodError) if kind.__module__ == errors.__name__]
    assert drawn_parents() == {kind.__name__: kind.__mro__[1].__name__ for kind in ours if kind is not PetmoodError}
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in ours)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in tree(PetmoodError)]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z][a-z_]*", code) for code in codes)


def test_every_error_ends_the_command_line_with_2_and_a_refused_candidate_with_3() -> None:
    assert {kind for kind in tree(PetmoodError) if kind.exit_code != 2} == {PromotionRejected}
    assert PromotionRejected.exit_code == 3


@pytest.mark.parametrize("kind", tree(PhotoError)[1:] + tree(RequestError)[1:])
def test_the_docstring_gives_the_status_and_code_of_every_refusal(kind: type[PhotoError] | type[RequestError]) -> None:
    assert re.search(rf"── {kind.__name__} +{kind.status} +{kind.code}\n", errors.__doc__ or "")
    assert 400 <= kind.status < 500 or kind.status in {500, 503}


def test_requests_that_may_be_repeated_tell_after_how_many_seconds() -> None:
    waits = {kind.__name__: getattr(kind, "retry_after_s", None) for kind in tree(RequestError)}
    assert {name: wait for name, wait in waits.items() if wait is not None} == {
        "TooManyRequests": 1,
        "Unavailable": 1,
        "Overloaded": 1,
        "ShuttingDown": 1,
    }


def test_the_message_is_all_that_is_shown() -> None:
    assert str(errors.BundleError("Expected a, got b.")) == "Expected a, got b."
