"""Who is asked what, and how much of it fits."""

import pytest
from conftest import Quiet, write_rows

from whet.config.load import load
from whet.engines.open import open_model
from whet.errors import UsageError
from whet.train.prepare import prepare
from whet.tune.contenders import questions, untuned


@pytest.fixture
def prepared_with(tiny, tmp_path):
    def made(*settings):
        rows = write_rows(tmp_path / "rows.jsonl")
        config = load(None, [f"data.train={rows}", f"model.name={tiny}", *settings])
        return config, prepare(config, Quiet())

    return made


def test_how_long_training_rows_may_be_takes_no_example_from_the_few_shot_prompt(tiny, prepared_with):
    config, prepared = prepared_with("data.max_tokens=100")
    made = dict(untuned(config, prepared, questions(config, prepared, 8), 8))
    contender = made["few_shot"](open_model(str(tiny)).engine)
    assert all(len(prompt.messages) == 2 * 3 + 1 for prompt in contender.prompts)
    assert contender.remarks[-1].startswith("3 examples a prompt")
    longest = max(len(prepared.renderer.prompt(prompt.messages)) for prompt in contender.prompts)
    assert 2 * prepared.longest < longest <= prepared.context


def test_a_reply_longer_than_the_context_is_blamed_on_its_setting_and_not_on_the_rows(prepared_with):
    config, prepared = prepared_with("eval.max_tokens=100000")
    with pytest.raises(UsageError, match=r"eval\.max_tokens: .* set at most (\d+)") as caught:
        questions(config, prepared, 100_000)
    most = int(str(caught.value).split("at most ")[1].split(",")[0])
    config, prepared = prepared_with(f"eval.max_tokens={most}")
    assert questions(config, prepared, most).notes == []
    config, prepared = prepared_with(f"eval.max_tokens={most + 1}")
    with pytest.raises(UsageError, match=f"set at most {most}"):
        questions(config, prepared, most + 1)
