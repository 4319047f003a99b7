"""What counts as one passage, and what its log-loss is."""

import pytest

from whet.tune.passages import by_passage, together, unit
from whet.types import Text, Tokens


def row(source, tokens):
    return Tokens(tuple(range(tokens + 1)), (0.0, *[1.0] * tokens), source)


def test_pieces_of_a_passage_and_passages_of_a_group_have_one_loss_by_token():
    rows = [row("a:1", 3), row("a:1", 1), row("a:2", 2), row("a:3", 2), row("a:4", 1), row("", 1), row("", 1)]
    groups = {"a:1": (), "a:2": ("user=jo",), "a:3": ("user=al", "doc=x"), "a:4": ("doc=x", "user=jo")}
    leaders = together(rows, [Text("t", source, groups=found) for source, found in groups.items()])
    assert leaders == [0, 0, 2, 2, 2, 5, 6]
    assert unit(rows, leaders) == "group"
    assert unit(rows, together(rows, [])) == "passage"
    losses = by_passage([1.0, 5.0, 1.0, 2.0, 4.0, 7.0, 8.0], rows, leaders)
    assert losses == pytest.approx([8 / 4, 10 / 5, 7, 8])  # nats over tokens


def test_the_losses_of_copies_do_not_narrow_the_verdict():
    rows = [row(f"a:{number // 4}", 5) for number in range(40)]
    assert len(by_passage([1.0] * 40, rows, together(rows, []))) == 10
