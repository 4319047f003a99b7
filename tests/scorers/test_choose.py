import pytest

from whet.plugins import find
from whet.scorers._choose import choose


@pytest.mark.parametrize(
    ("targets", "labels", "first"),
    [
        (["spam", "ham"], ["ham", "spam"], "label"),
        (["so 3 + 4 = 7\n#### 7"] * 9 + ["I do not know"], [], "number"),
        (["12", "-3.5", "$1,200", "50%"], [], "number"),
        (["12"] * 8 + ["twelve"] * 2, [], "f1"),  # 80 % is not enough
        (["Paris", "the river Seine", "in the year 1789"], [], "f1"),
        (["You can get a refund within two weeks of the purchase."] * 3, [], "rouge_l"),
        (["\u60a8\u53ef\u4ee5\u5728\u4e24\u5468\u5185\u9000\u6b3e"], [], "rouge_l"),  # long without any space
    ],
)
def test_the_data_choose_the_scorer_of_the_verdict(targets, labels, first):
    assert choose(targets, labels)[0] == first


def test_the_lists_are_as_documented():
    assert choose(["x"], ["x"]) == ("label",)
    assert choose(["7"], []) == ("number", "f1")
    assert choose(["a few words"], []) == ("f1", "exact", "chrf")
    assert choose(["one two three four five six"], []) == ("rouge_l", "chrf", "f1")


def test_every_choice_is_a_scorer():
    chosen = {name for targets in (["7"], ["word"], ["w " * 9]) for name in choose(targets, [])} | {"label"}
    assert all(callable(find("scorers", name)) for name in chosen)


def test_nothing_to_choose_by_is_an_error():
    with pytest.raises(ValueError, match=r"eval\.scorers"):
        choose([], [])
