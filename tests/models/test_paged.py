"""Pages of keys and values: nothing is lost when rows grow, leave and enter."""

import random

import torch

from whet.models.paged import PAGE, Pages


def remembered(pages, place):
    """Return the numbers that a row was given, by its keys and by its values."""
    keys, values = pages.at(3, pages.slots([place]))
    return keys[0, 0, :, 0].tolist(), (-values[0, 0, :, 0]).tolist()


def test_rows_that_grow_leave_and_enter_remember_what_they_were_given():
    draws, pages, rows, number = random.Random(0), Pages(torch.device("cpu")), [], 0
    for _ in range(400):
        act = draws.choice(["enter", "grow", "grow", "drop"])
        if act == "drop" and rows:
            place = draws.randrange(len(rows))
            pages.drop(place)
            rows[place] = rows[-1]
            rows.pop()
        elif act == "enter":
            count = draws.randint(1, 3 * PAGE)
            said = [float(number + at) for at in range(count)]
            number += count
            pages.extend(len(rows), count)
            rows.append(said)
            new = torch.tensor(said)[:, None, None].expand(-1, 2, 4)
            pages.put(3, pages.slots([len(rows) - 1]), new, -new)
        elif rows:
            for place, said in enumerate(rows):
                pages.extend(place, 1)
                said.append(float(number))
                number += 1
            new = torch.tensor([said[-1] for said in rows])[:, None, None].expand(-1, 2, 4)
            pages.put(3, pages.newest(), new, -new)
        assert pages.lengths == list(map(len, rows))
        for place, said in enumerate(rows):
            assert remembered(pages, place) == (said, said)
    if rows:
        grid = pages.all(3)[0][pages.grid()][:, :, 0, 0]
        assert [line[: len(said)].tolist() for line, said in zip(grid, rows, strict=True)] == rows


def test_space_reserved_is_not_reserved_again_and_left_pages_are_taken_again():
    pages = Pages(torch.device("cpu"))
    pages.reserve([5 * PAGE, PAGE + 1])
    for turn in range(50):
        pages.extend(0, 5 * PAGE)
        pages.extend(1, PAGE + 1)
        new = torch.full((6 * PAGE + 1, 1, 1), float(turn))
        pages.put(0, pages.slots([0, 1]), new, new)
        pages.drop(0)
        pages.drop(0)
    assert len(pages.all(0)[0]) == 7 * PAGE
