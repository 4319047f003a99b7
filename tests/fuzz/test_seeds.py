"""Every input that is kept gives examples or is refused in words; those that fuzzing found once did neither."""

import pytest
from target import ending, judged, seeds

SEEDS = seeds()


@pytest.mark.parametrize("name", SEEDS)
def test_a_kept_input_gives_examples_or_problems_and_nothing_else(tmp_path, name):
    path = tmp_path / f"a{ending(name)}"
    path.write_bytes(SEEDS[name])
    assert judged(path) == ("refused" if name.startswith("refused_") else "read")
