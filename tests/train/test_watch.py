"""What is said of the curves is so."""

import pytest

from whet.errors import TrainingError
from whet.train.watch import Divergence, verdict_on_curve


def test_divergence_is_measured_from_the_first_loss_whoever_goes_on():
    seen = []
    before = Divergence(0.1, seen)
    for step, loss in enumerate([2.0] + [5.0] * 6):
        before.see(step, loss)
    assert seen == [2.0, 2.0] + [5.0] * 6
    after = Divergence(0.1, list(seen))
    with pytest.raises(TrainingError, match=r"diverged \(loss 4\.62, it began at 2\.00\)"):  # (2 + 7 * 5) / 8
        after.see(7, 5.0)


def test_training_loss_is_said_to_fall_only_where_it_did():
    validations = [(0, 5.0), (10, 2.0), (20, 3.5)]
    said = verdict_on_curve(validations, [5.0, 2.1, 2.0, 4.9], False)
    assert said == (
        "Unstable after step 10: validation loss rose from 2.000 to 3.500, and training loss did not fall either "
        "(2.100 to 4.900); the weights of step 10 are used. A lower optim.lr may help."
    )
    said = verdict_on_curve(validations, [5.0, 2.1, 2.0, 0.9], False)
    assert said == (
        "Overfitting after step 10: validation loss rose from 2.000 to 3.500 while training loss kept falling "
        "(now 0.900); the weights of step 10 are used."
    )


@pytest.mark.parametrize(("noise", "word"), [(0.3, "Overfitting"), (-0.3, "Overfitting")])
def test_one_noisy_step_does_not_decide(noise, word):
    losses = [3.0 - 0.02 * step for step in range(100)]
    losses[-1] += noise
    assert verdict_on_curve([(0, 3.0), (50, 2.0), (100, 2.5)], losses, False).startswith(word)


def test_a_loss_below_zero_that_does_not_rise_is_not_called_rising():
    assert "levelled off" in verdict_on_curve([(0, -0.2), (5, -0.6), (10, -0.6)], [0.1, 0.0, 0.0], False)
    assert "still falling" in verdict_on_curve([(0, -0.2), (5, -0.4), (10, -0.6)], [0.1, 0.0, 0.0], False)
