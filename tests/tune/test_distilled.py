"""What the report says of the way to a teacher."""

from whet.config.tree import Eval
from whet.tune.distilled import closed_gap


def scores(**means):
    return {name: [mean + 0.01 * (at % 3 - 1) for at in range(99)] for name, mean in means.items()}


def test_a_student_near_a_better_teacher_has_closed_most_of_the_gap():
    found = closed_gap(scores(zero_shot=0.2, teacher=0.8, tuned=0.7), "accuracy", Eval())
    assert 0.8 < found["closed"]["value"] < 0.87
    assert "83% of the gap is closed" in found["sentence"]


def test_to_a_teacher_that_is_worse_there_is_no_way():
    found = closed_gap(scores(zero_shot=0.9, teacher=0.6, tuned=0.7), "accuracy", Eval())
    assert found["closed"] is None
    assert "it is the worse of the two" in found["sentence"]
