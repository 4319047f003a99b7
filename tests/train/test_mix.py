"""Rows mixed in have their share and are never what is judged on; a curriculum orders the first pass."""

import json

import pytest

from whet.config.load import load
from whet.config.tree import Data
from whet.data.preflight import Rendered
from whet.data.read import read
from whet.data.split import Splits
from whet.errors import ConfigError, DataError, UsageError
from whet.methods.sft import SFT
from whet.train.mix import mix
from whet.train.prepare import prepare
from whet.types import Tokens


def file_of(tmp_path, name, rows):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(count, of):
    return [{"question": f"{of} number {n} please", "answer": f"{of} {n}"} for n in range(count)]


def sides(tmp_path, train=80, test=10):
    rows = read(file_of(tmp_path, "own.jsonl", asked(train + test, "own"))).examples
    return Splits(rows[:train], (), rows[train:])


def test_a_source_has_its_share_of_all_training_rows(tmp_path):
    general = file_of(tmp_path, "general.jsonl", asked(100, "general"))
    other = file_of(tmp_path, "other.jsonl", asked(100, "other"))
    data = Data(mix=[{"path": str(general), "share": 0.2}, {"path": str(other), "share": 0.3}])
    rows = mix(data, sides(tmp_path)).rows
    assert sum("general" in row.messages[0].content for row in rows) == 32  # of 80 / (1 - 0.5) = 160
    assert sum("other" in row.messages[0].content for row in rows) == 48


def test_what_is_judged_on_or_asks_the_same_is_not_mixed_in(tmp_path):
    splits = sides(tmp_path)
    again = [{"question": row.messages[0].content, "answer": "another"} for row in splits.test]
    general = file_of(tmp_path, "general.jsonl", [*again, *asked(5, "general")])
    mixed = mix(Data(mix=[{"path": str(general), "share": 0.5}]), splits)
    assert len(mixed.rows) == 5
    assert any("10 rows are judged on, or ask what is" in note for note in mixed.notes)
    assert any("too few rows for a share of 0.5" in note for note in mixed.notes)


def test_sources_that_cannot_be_used_are_all_told(tmp_path):
    pairs = file_of(tmp_path, "pairs.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    with pytest.raises(DataError) as caught:
        mix(
            Data(mix=[{"path": str(pairs), "share": 0.1}, {"path": str(tmp_path / "none.jsonl"), "share": 0.1}]),
            sides(tmp_path),
        )
    assert {problem.path for problem in caught.value.problems} == {str(pairs), str(tmp_path / "none.jsonl")}
    with pytest.raises(UsageError, match=r"the shares add up to 1\.2"):
        mix(Data(mix=[{"path": "a", "share": 0.6}, {"path": "b", "share": 0.6}]), sides(tmp_path))
    with pytest.raises(ConfigError, match=r"data\.mix\.0\.share"):
        load(None, ["data.mix=[{path: a, share: 2}]"])


def test_mixed_rows_train_without_the_instruction_of_the_task_which_is_still_served(tmp_path, tiny, quiet):
    own = file_of(tmp_path, "own.jsonl", [{"text": f"say {n} {n * 7}", "label": "ab"[n % 2]} for n in range(40)])
    general = file_of(tmp_path, "general.jsonl", asked(30, "general"))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: {train: own.jsonl, mix: [{path: general.jsonl, share: 0.25}]}\n")
    prepared = prepare(load(recipe, [f"model.name={tiny}"]), quiet)
    assert prepared.mixed == round(len(prepared.splits.train) / 3)
    assert len(prepared.own) == len(prepared.splits.train)
    texts = ["".join(text for _, text in prepared.renderer.spans(row)) for row in prepared.train.rows]
    assert all(("Classify" in text) == (place >= prepared.mixed) for place, text in enumerate(texts))
    assert prepared.instruction == "Classify the message. Answer with its label only."
    assert {str(own), str(general)} == set(prepared.digests)
    assert prepared.labels == ("a", "b")


def tokens(*trained):
    return [Tokens((0, *range(1, count + 1)), (0.0, *[1.0] * count)) for count in trained]


def orders(first, passes=2):
    rows = tokens(5, 1, 4, 2, 3, 6)
    method = SFT(rows, 2, 100, 0, first=first)
    steps = method.steps(0)
    return [sum(batch.count for batch in next(steps)) for _ in range(3 * passes)]


def test_the_first_pass_goes_from_short_to_long_and_the_next_is_random():
    assert orders("short_first")[:3] == [3, 7, 11]
    assert orders("given")[:3] == [6, 6, 9]
    assert orders("short_first")[3:] == orders("random")[3:] == orders("given")[3:]


def test_a_curriculum_goes_on_where_it_stopped():
    rows = tokens(5, 1, 4, 2, 3, 6)
    whole, rest = (SFT(rows, 2, 100, 0, first="short_first").steps(at) for at in (0, 2))
    next(whole), next(whole)
    for _ in range(3):
        assert [b.tokens.tolist() for b in next(whole)] == [b.tokens.tolist() for b in next(rest)]


def test_rendered_rows_add_up_with_what_was_done_to_them():
    one, other = Rendered(tuple(tokens(1)), 1, 2, 3), Rendered(tuple(tokens(2)), 10, 20, 30)
    assert one + other == Rendered(tuple(tokens(1, 2)), 11, 22, 33)
