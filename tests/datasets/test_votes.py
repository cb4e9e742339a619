"""Rules that make a label of ten votes: the authors' tool is repeated here in its own words, and numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.datasets.votes import VOTES, Mode, read_votes


def by_the_tool(votes: list[int], mode: str) -> list[float] | None:  # noqa: C901 (as long as the tool's)
    """Do what the paper's section 4 and its tool describe, vote by vote; None for a face that is left out."""
    left = [float(number) if number > 1 else 0.0 for number in votes]
    total, taken = sum(left), [0.0] * 10
    if not total:
        return None
    if mode == "majority":
        if max(left) <= total / 2:
            return None
        taken[left.index(max(left))] = max(left)
    elif mode == "multi-target":
        taken = [number if number >= 0.3 * total else 0.0 for number in left]
    else:
        goes_on, number_of_labels = True, 0
        while sum(taken) < 0.75 * total and number_of_labels < 3 and goes_on:
            most = max(left)
            for place in range(10):
                if left[place] == most and goes_on:
                    taken[place], left[place] = most, 0.0
                    number_of_labels += 1
                    if place >= 8:
                        goes_on = False
                        if sum(taken) > most:
                            taken[place], number_of_labels = 0.0, number_of_labels - 1
        if number_of_labels > 3:
            return None
    if mode != "majority" and sum(taken) <= total / 2:
        return None
    if taken.index(max(taken)) >= 8:
        return None
    named = taken[:8]
    return [number / sum(named) for number in named]


@pytest.mark.parametrize("mode", ["majority", "probability", "multi-target"])
def test_the_rules_are_the_tools(mode: Mode) -> None:
    random = np.random.default_rng(0)
    left_out = 0
    for _ in range(3000):
        shape = random.dirichlet(np.full(10, random.choice([0.1, 0.3, 1.0])))
        votes = random.multinomial(10, shape).tolist()
        expected, found = by_the_tool(votes, mode), read_votes(votes, mode)
        if expected is None:
            left_out += 1
            assert isinstance(found, str), votes
        else:
            assert not isinstance(found, str), (votes, found)
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=str(votes))
    assert 100 < left_out < 2900


@pytest.mark.parametrize(
    ("votes", "mode", "expected"),
    [
        ({"anger": 6, "disgust": 4}, "majority", {"anger": 1}),
        ({"anger": 5, "disgust": 5}, "majority", "no expression has more than half of the votes"),
        ({"anger": 5, "disgust": 4, "fear": 1}, "majority", {"anger": 1}),  # the single vote is a slip: 5 of 9
        ({"NF": 10}, "majority", "most votes are for no face (NF)"),
        ({"unknown": 6, "fear": 4}, "probability", "most votes are for unknown"),
        (dict.fromkeys(VOTES, 1), "majority", "no two votes agree"),
        ({"anger": 4, "disgust": 3, "fear": 3}, "plurality", {"anger": 1}),
        ({"anger": 3, "disgust": 3, "NF": 4}, "plurality", "most votes are for no face (NF)"),
        ({"anger": 6, "disgust": 4}, "probability", {"anger": 0.6, "disgust": 0.4}),
        ({"anger": 8, "disgust": 2}, "probability", {"anger": 1}),
        ({"anger": 4, "disgust": 4, "fear": 2}, "probability", {"anger": 0.5, "disgust": 0.5}),
        ({"anger": 4, "unknown": 4, "fear": 2}, "probability", "the votes are spread over too many expressions"),
        ({"anger": 6, "disgust": 3, "fear": 1}, "multi-target", {"anger": 2 / 3, "disgust": 1 / 3}),
        ({"anger": 2, "disgust": 2, "fear": 2, "sadness": 2, "neutral": 2}, "probability",
         "the votes are spread over too many expressions"),
        ({"anger": 8, "disgust": 1}, "majority", {"anger": 1}),  # one row of the set has nine votes
    ],
)  # fmt: skip
def test_votes_become_a_label_or_a_reason(votes: dict[str, int], mode: Mode, expected: dict[str, float] | str) -> None:
    found = read_votes([votes.get(name, 0) for name in VOTES], mode)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert not isinstance(found, str)
        np.testing.assert_allclose(found, [expected.get(name, 0) for name in VOTES[:8]], rtol=1e-6)
