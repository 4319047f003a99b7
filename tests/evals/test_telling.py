"""Words that go with wrong answers."""

import numpy as np
import pytest

from whet.evals.telling import telling_words


def test_a_word_that_goes_with_wrong_answers_is_told_with_its_rows_and_no_other():
    rng = np.random.default_rng(0)
    texts = [f"is it {' '.join(rng.choice(['red', 'blue', 'new', 'old'], 2))}" for _ in range(200)]
    texts = [f"{text} refund" if at % 4 == 0 else text for at, text in enumerate(texts)]
    values = [float(rng.random() < (0.2 if at % 4 == 0 else 0.8)) for at in range(200)]
    (found,) = telling_words(texts, values, resamples=2000)
    assert found.word == "refund"
    assert sorted(found.rows) == list(range(0, 200, 4))
    assert found.mean_with == pytest.approx(np.mean(values[0::4]))
    assert found.mean_without == pytest.approx(np.mean([v for at, v in enumerate(values) if at % 4]))
    assert values[found.rows[0]] == 0.0  # the worst first
    assert found.adjusted < 0.01


def test_words_that_chance_picks_out_are_told_in_no_more_than_a_twentieth_of_the_sets():
    rng, false = np.random.default_rng(1), 0
    for _ in range(60):
        texts = [" ".join(rng.choice(list("abcdef"), 3)) for _ in range(80)]
        values = rng.random(80) < 0.5
        false += bool(telling_words(texts, values.astype(float), resamples=300))
    assert false <= 6  # 97 % of all such runs, where the chance is one in twenty


def test_rows_of_one_group_do_not_count_as_many():
    rng = np.random.default_rng(2)
    texts = ["with it"] * 60 + ["without"] * 60
    values = np.repeat(rng.random(4) < 0.5, 30).astype(float)
    values[:60], values[60:] = 0.0, 1.0
    groups = np.repeat(np.arange(4), 30).tolist()
    assert telling_words(texts, values, resamples=2000)
    assert not telling_words(texts, values, groups, resamples=2000)  # two groups on each side tell nothing


def test_texts_and_values_must_match():
    with pytest.raises(ValueError, match="2 texts"):
        telling_words(["a", "b"], [1.0])
