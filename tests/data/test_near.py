"""Texts that say nearly the same are found, however many others look alike."""

import random

from whet.data.near import groups


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


def test_punctuation_and_case_do_not_part_texts():
    assert groups(["Where is my order?", "where is my order", "something else altogether"]) == [0, 0, 2]


def test_texts_without_words_are_one_group():
    assert groups(["?", "!", "a b c"]) == [0, 0, 2]
