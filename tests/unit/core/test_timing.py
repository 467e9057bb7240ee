"""Tests of times that are taken in turns."""

from petmood.core.timing import times_in_turns


def test_functions_run_in_turns_in_alternating_order_after_a_warm_up() -> None:
    ran: list[tuple[str, int]] = []
    clock = iter(range(1000))
    works = [lambda number, name=name: ran.append((name, number)) for name in "ab"]
    found = times_in_turns(works, rounds=4, clock=lambda: float(next(clock)))
    assert found == [[1.0] * 4, [1.0] * 4]
    assert "".join(name for name, _ in ran) == "baabbaabbaabba"
    assert [number for name, number in ran if name == "a"] == list(range(7))
