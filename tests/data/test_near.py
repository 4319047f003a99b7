"""Texts that say nearly the same are found, however many others look alike."""

import random

import pytest

from whet.data.near import groups, settled_groups


def test_copies_are_found_among_hundreds_of_look_alikes():
    draw = random.Random(0)
    words = [f"w{n}" for n in range(200)]
    families = [[draw.choice(words) for _ in range(30)] for _ in range(6)]
    texts = []
    for _ in range(600):
        family = list(draw.choice(families))
        for place in draw.sample(range(30), 4):
            family[place] = draw.choice(words)
        texts.append(" ".join(family))
    copies = draw.sample(range(600), 60)
    found = groups([*texts, *(texts[at] for at in copies)])
    assert all(found[600 + place] == found[at] for place, at in enumerate(copies))


def test_one_changed_word_is_found_though_much_of_a_short_text_is_in_many():
    told = [_story(n).split()[:8] for n in range(60)]
    changed = [[*words[:4], "another", *words[5:]] for words in told[:20]]
    texts, changed = (
        [f"How do I change the {' '.join(words)} of my card and what is the fee" for words in some]
        for some in (told, changed)
    )  # alike to 0.85, and to 0.70 without what is in all of them
    found = groups([*texts, *changed])
    assert found == [*range(60), *range(20)]


def test_punctuation_and_case_do_not_part_texts():
    assert groups(["Where is my order?", "where is my order", "something else altogether"]) == [0, 0, 2]


def _story(n: int) -> str:
    rng = random.Random(n)
    return " ".join(rng.choice(WORDS) for _ in range(12))


WORDS = [f"w{n}" for n in range(400)]
TEMPLATE = " ".join(f"t{n}" for n in range(36))


@pytest.mark.parametrize(("first", "more"), [(20, 10), (39, 1), (300, 60), (360, 120), (500, 700)])
def test_what_is_appended_moves_no_text_out_of_its_group(first, more):
    # templates come and go, so that what is boilerplate in the whole file changes with every row
    texts = [
        f"{TEMPLATE if n % 5 == 0 or 300 <= n < 360 else ''} {_story(n if n % 7 else n - 7)}"
        for n in range(first + more)
    ]
    before, after = settled_groups(texts[:first]), settled_groups(texts)
    assert after[:first] == before


def test_settled_groups_find_what_groups_find_among_texts_of_a_kind():
    texts = [f"{_story(n)} {'please' if n % 3 else ''}" for n in range(300)]
    texts += [f"{text} now" for text in texts[:100]]
    found, settled = groups(texts), settled_groups(texts)
    assert sum(leader != at for at, leader in enumerate(settled)) >= 100
    assert all(settled[300 + n] == n for n in range(100))
    assert [found[300 + n] for n in range(100)] == list(range(100))


def test_texts_without_words_are_alike_only_if_their_signs_are():
    assert groups(["😀😀", "🎉", "😀😀", "?!", "🚀🚀"]) == [0, 1, 0, 3, 4]
    assert settled_groups(["😀😀", "🎉", "😀😀", "?!", "🚀🚀"]) == [0, 1, 0, 3, 4]
