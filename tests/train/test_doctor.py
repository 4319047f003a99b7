"""Every ailment is named where its figures show it and nowhere near: hand-made series, each beside a sound one."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.config.tree import Config, Method
from whet.train.ailments._base import ENOUGH, SURE, Figures, ranks, rise
from whet.train.doctor import AILMENTS, examine


def wave(first, last, steps=60, noise=0.0):
    """Return a course from one value to another, with a deterministic ripple."""
    return [first + (last - first) * at / (steps - 1) + noise * math.sin(2.4 * at) for at in range(steps)]


def run(method="sft", held=None, planned=60, failed="", report=None, options=None, **courses):
    """Return the figures of a run whose steps and validations follow these courses."""
    length = max(map(len, courses.values()))
    steps = [
        {"step": at + 1, **{name: course[at] for name, course in courses.items() if course[at] is not None}}
        for at in range(length)
    ]
    held = held or {}
    count = max(map(len, held.values()), default=0)
    validations = [
        {"step": at * length // max(1, count - 1), **{name: course[at] for name, course in held.items()}}
        for at in range(count)
    ]
    config = Config(method=Method(name=method, **(options or {})))
    return Figures(steps, validations, config, planned, failed, report or {})


def names(figures):
    return [alarm.name for alarm in examine(figures)]


FALLS = wave(4.0, 1.0, noise=0.3)
DRAWN = {"method": "grpo", "loss": [0.0] * 60}
QUIET = {**DRAWN, "dead_groups": wave(0.2, 0.3, noise=0.1), "reward": wave(0.3, 0.6, noise=0.05)}
SICK = {
    "divergence": run(loss=[3.0, 3.1, *wave(4.0, 6.0, 58)], held={"loss": [3.0, 5.0]}),
    "overfitting": run(loss=FALLS, held={"loss": [4.0, 2.0, 2.5, 3.2]}),
    "gradient spikes": run(
        loss=FALLS, grad_norm=[50.0 if at in (20, 30, 44) else 1 + 0.3 * math.sin(at) for at in range(60)]
    ),
    "learning rate too low": run(loss=wave(4.0, 4.0, noise=0.3), held={"loss": [4.0, 4.001, 4.002]}, lr=[1e-8] * 60),
    "nothing learned": run(loss=wave(4.0, 4.0, noise=0.3), held={"loss": [4.0, 4.1, 4.05]}),
    "displacement": run("dpo", loss=wave(0.69, 0.4), better=wave(0, -6, noise=2), worse=wave(0, -12, noise=2)),
    "saturation": run(
        "dpo",
        loss=[0.693, 0.3, *[0.001] * 58],
        accuracy=[0.5, *[1.0] * 59],
        margin=[8.0] * 60,
        better=[9.0] * 60,
        worse=[-9.0] * 60,
    ),
    "KL runaway": run("dpo", loss=wave(0.69, 0.4), better=wave(0, 3), worse=wave(0, -400, noise=20)),
    "no preference learned": run(
        "dpo",
        loss=wave(0.69, 0.69, noise=0.02),
        accuracy=wave(0.5, 0.5, noise=0.2),
        held={"loss": [0.69, 0.70], "accuracy": [0.5, 0.5]},
    ),
    "all called good": run("kto", loss=wave(0.5, 0.4), moved=wave(0, 1), better=wave(0, 9), worse=wave(0, 8, noise=1)),
    "reward scale": run("reward", loss=wave(0.69, 0.3), mean=wave(0, 20, noise=1), margin=wave(0, 3)),
    "dead groups": run(**{**QUIET, "dead_groups": wave(0.9, 0.9, noise=0.1)}),
    "unscored rewards": run(**QUIET, unscored=wave(0.3, 0.3, noise=0.2)),
    "endless replies": run(**QUIET, ended=wave(0.4, 0.0, noise=0.05)),
    "length drift": run(**{**QUIET, "reward": wave(0.3, 0.3, noise=0.1)}, reply_tokens=wave(20, 60, noise=3)),
    "reward hacking": run(**QUIET, reply_tokens=wave(20, 60, noise=3), length_correlation=wave(0.7, 0.8, noise=0.1)),
    "entropy collapse": run(**QUIET, entropy=[2.0 * 0.9**at for at in range(60)]),
    "stale samples": run(**QUIET, stale=wave(0.3, 0.4, noise=0.1)),
    "clipping": run(**QUIET, clipped=wave(0.4, 0.5, noise=0.1)),
    "blind values": run(**{**QUIET, "method": "ppo"}, explained=wave(-1.5, -1.4, noise=0.2))
    if "ppo" in str(Method.model_fields["name"].annotation)
    else run(**QUIET, explained=wave(-1.5, -1.4, noise=0.2)),
}
MORE = {  # other ways into the same ailments
    "divergence": run(loss=FALLS[:20], failed="step 21: the loss is not finite; the last checkpoint is kept."),
    "overfitting": run(
        "reward",
        loss=wave(0.69, 0.01),
        accuracy=wave(0.6, 1.0),
        mean=[0.0] * 60,
        held={"loss": [0.69, 0.6, 0.65], "accuracy": [0.5, 0.8, 0.6]},
    ),
    "displacement": run(
        "simpo",
        loss=wave(2.0, 0.5),
        better=wave(-80, -80, noise=30),
        worse=wave(-99, -99, noise=30),
        held={"loss": [2.0, 0.6], "better": [-80.0, -85.0], "worse": [-99.0, -140.0]},
    ),
    "KL runaway": run(**QUIET, kl=wave(0, 4, noise=0.5)),
    "reward scale": run(
        **{**QUIET, "reward": wave(3e5, 6e5, noise=2e4)}, reward_spread=[2e5] * 60, options={"advantage": "centred"}
    ),
    "reward hacking": run(**QUIET, held={"loss": [-0.3] * 4, "reward": [0.3, 0.29, 0.3, 0.28]}),
    "length drift": run(**QUIET, reply_tokens=wave(20, 60, noise=3), length_correlation=wave(0.7, 0.8, noise=0.1)),
    "dead groups": run(**{**QUIET, "reward": [1.0] * 60, "dead_groups": [1.0] * 60}),
    "reward hacking ": run(
        **{**QUIET, "reward": [0.1, 0.3, *wave(0.47, 0.47, 58, 0.02)]},
        reply_tokens=[6.0, 23.0, *[32.0] * 58],
        length_correlation=wave(0.9, 0.9, noise=0.05),
    ),
}
SOUND = {
    "a loss that falls and a validation that rises a little": run(loss=FALLS, held={"loss": [4.0, 2.0, 1.9, 2.2]}),
    "a loss that jumps once and comes back": run(loss=[*FALLS[:30], 9.0, *FALLS[31:]], grad_norm=[1.0] * 60),
    "one gradient that is large": run(loss=FALLS, grad_norm=[80.0 if at == 20 else 1.0 for at in range(60)]),
    "gradients that fall a hundredfold": run(loss=FALLS, grad_norm=[10 * 0.92**at for at in range(60)]),
    "nothing left to learn": run(loss=wave(0.01, 0.01, noise=0.004), held={"loss": [0.01, 0.01]}),
    "not halfway yet": run(loss=wave(4.0, 4.0, noise=0.3), held={"loss": [4.0, 4.001]}, planned=900),
    "the worse replies alone fall": run("dpo", loss=wave(0.69, 0.4), better=wave(0, 1, noise=2), worse=wave(0, -12)),
    "replies of a student that listens to a teacher become short": run(
        "distil", loss=wave(2.0, 0.2), reply_tokens=wave(71, 5, noise=1)
    ),
    "replies that a low beta lets go far": run(
        "dpo", options={"beta": 0.01}, loss=wave(0.69, 0.39), better=wave(0, 10), worse=wave(0, -150, noise=5)
    ),
    "both fall by less than a nat": run("dpo", loss=wave(0.69, 0.4), better=wave(0, -0.6), worse=wave(0, -0.9)),
    "likelihoods of a method without a start": run(
        "simpo", loss=wave(2.0, 0.5), better=wave(-80, -60, noise=30), worse=wave(-99, -140, noise=30)
    ),
    "pairs that are settled after a while": run(
        "dpo",
        loss=[0.69 * 0.7**at for at in range(60)],
        accuracy=[0.5, *[1.0] * 59],
        margin=wave(0, 9),
        better=wave(0, 15),
        worse=wave(0, -30),
    ),
    "a margin of hinge is soon 0": run(
        "dpo",
        loss=[1.0, 0.5, *[0.0] * 58],
        accuracy=[0.5, *[1.0] * 59],
        margin=[2.0] * 60,
        better=[9.0] * 60,
        worse=[-9.0] * 60,
        options={"loss": "hinge"},
    ),
    "pairs that are hard but learned": run(
        "dpo",
        loss=wave(0.69, 0.64, noise=0.01),
        accuracy=wave(0.5, 0.62, noise=0.1),
        held={"loss": [0.69, 0.66], "accuracy": [0.44, 0.63]},
    ),
    "bad replies that fall behind": run(
        "kto", loss=wave(0.5, 0.3), moved=wave(0, 2), better=wave(0, 6), worse=wave(0, -4)
    ),
    "scores that keep to 0": run("reward", loss=wave(0.69, 0.1), mean=wave(0, 1), margin=wave(0, 8)),
    "a reward that rises": run(**QUIET, held={"loss": [-0.3, -0.5, -0.6], "reward": [0.3, 0.5, 0.6]}),
    "groups that are dead since all is solved": run(
        **{**QUIET, "reward": wave(0.5, 1.0)[:40] + [1.0] * 20, "dead_groups": wave(0.1, 1.0)[:40] + [1.0] * 20}
    ),
    "groups that are dead since all was soon solved": run(
        **{**QUIET, "reward": [0.3, 0.6, 0.9, *[1.0] * 57], "dead_groups": [0.0, 0.2, 0.6, *[1.0] * 57]}
    ),
    "an entropy that is spent on what is right": run(
        **{**QUIET, "reward": wave(0.5, 1.0)[:40] + [1.0] * 20}, entropy=[2.0 * 0.9**at for at in range(60)]
    ),
    "replies that grow with a reward that does not follow length": run(
        **QUIET, reply_tokens=wave(20, 60, noise=3), length_correlation=wave(0.1, 0.0, noise=0.2)
    ),
    "replies that become short as they become right": run(
        **QUIET, reply_tokens=wave(60, 10, noise=3), length_correlation=wave(-0.7, -0.6, noise=0.1)
    ),
    "half of the replies end": run(**QUIET, ended=wave(0.3, 0.5, noise=0.1)),
    "some rewards are missing": run(**QUIET, unscored=wave(0.1, 0.1, noise=0.1)),
    "some clipping, a little stale": run(**QUIET, clipped=wave(0.1, 0.2), stale=wave(0.02, 0.05)),
    "greedy replies were as good before": run(
        **{**QUIET, "reward": wave(0.3, 0.6)}, held={"loss": [-0.6] * 4, "reward": [0.6, 0.6, 0.59, 0.6]}
    ),
    "a large reward in units of its spread": run(**{**QUIET, "reward": wave(3e5, 6e5)}, reward_spread=[2e5] * 60),
    "policy near its start": run(**QUIET, kl=wave(0, 0.2, noise=0.05), entropy=wave(1.5, 0.8)),
    "values that explain something": run(**QUIET, explained=wave(-0.5, 0.6)),
    "values of few replies": run(**QUIET, explained=wave(-0.2, -0.2, noise=0.1)),
}


@pytest.mark.parametrize("name", SICK)
def test_an_ailment_is_named_by_its_figures(name):
    assert names(SICK[name]) == [name] or (name == "reward hacking" and names(SICK[name]) == [name, "length drift"])


@pytest.mark.parametrize("name", MORE)
def test_an_ailment_shows_itself_in_other_ways_too(name):
    assert name.strip() in names(MORE[name])


@pytest.mark.parametrize("figures", SOUND.values(), ids=SOUND)
def test_what_is_near_an_ailment_is_none(figures):
    assert names(figures) == []


@pytest.mark.parametrize("name", SICK)
def test_a_few_steps_are_too_few_to_tell(name):
    few = replace(SICK[name], steps=SICK[name].steps[: ENOUGH - 1], validations=SICK[name].validations[:1])
    assert names(few) == []


@pytest.mark.parametrize("figures", [*SICK.values(), *MORE.values()], ids=[*SICK, *(f"{name} too" for name in MORE)])
def test_an_alarm_has_numbers_a_reason_and_a_setting_to_change(figures):
    for alarm in examine(figures):
        assert any(letter.isdigit() for letter in alarm.evidence)
        assert alarm.why.endswith(".")
        assert alarm.change.endswith(".")
        assert "whet data" in alarm.change or "optim." in alarm.change or "method." in alarm.change


@pytest.mark.parametrize("figures", [*SICK.values(), *MORE.values()], ids=[*SICK, *(f"{name} too" for name in MORE)])
def test_a_setting_that_is_named_is_one_that_there_is(figures):
    for alarm in examine(figures):
        for word in alarm.change.replace("(", " ").replace(",", " ").split():
            section, _, rest = word.partition(".")
            if section in ("optim", "method", "adapter") and rest.strip("."):
                key = rest.split("=")[0].strip(".,;:)")
                assert key in type(getattr(Config(), section)).model_fields


def test_a_judge_that_disagrees_with_a_rising_reward_is_evidence():
    told = {"judged": {"against": {"zero_shot": {"value": 0.2, "low": 0.1, "high": 0.4}}}}
    (alarm,) = examine(run(**QUIET, report=told))
    assert alarm.name == "reward hacking"
    assert "the judge prefers zero_shot" in alarm.evidence
    unsure = {"judged": {"against": {"zero_shot": {"value": 0.45, "low": 0.3, "high": 0.6}}}}
    assert names(run(**QUIET, report=unsure)) == []


def test_held_out_answers_that_fell_are_evidence_against_a_rising_reward():
    row = {"metric": "exact", "against": "zero_shot", "difference": -0.2, "low": -0.3, "high": -0.1}
    assert names(run(**QUIET, report={"decides": "exact", "comparisons": [row]})) == ["reward hacking"]
    assert names(run(**QUIET, report={"decides": "exact", "comparisons": [{**row, "high": 0.05}]})) == []


def test_a_trend_is_told_by_ranks():
    # Thirds of five: every later one is above every earlier one, U = 25 of 12.5 expected, variance 5 * 5 * 11 / 12.
    assert rise(list(range(15))) == pytest.approx(12.5 / math.sqrt(25 * 11 / 12))
    assert rise(list(range(15))) > SURE
    assert rise(list(range(14))) == 0.0
    assert rise([1.0] * 30) == 0.0
    assert ranks([3.0, 1.0, 3.0]) == [2.5, 1.0, 2.5]


FIGURES = (
    "loss", "grad_norm", "accuracy", "margin", "better", "worse", "moved", "mean", "reward", "reward_spread",
    "dead_groups", "unscored", "reply_tokens", "ended", "entropy", "kl", "clipped", "stale", "length_correlation",
    "explained", "step", "lr",
)  # fmt: skip
VALUES = st.one_of(st.none(), st.text(max_size=1), st.floats(), st.floats(-1, 1), st.sampled_from([0, 1, 0.0, 1.0]))
COURSE = st.one_of(
    st.lists(VALUES, min_size=16, max_size=40), st.lists(st.floats(-2, 2), min_size=30, max_size=40),
    st.floats().map(lambda value: [value] * 35),
)  # fmt: skip
COURSES = st.dictionaries(st.sampled_from(FIGURES), COURSE)


def lines(courses):
    count = max(map(len, courses.values()), default=0)
    return [{name: course[at] for name, course in courses.items() if at < len(course)} for at in range(count)]


@settings(max_examples=60, deadline=None)
@given(steps=COURSES, held=COURSES, method=st.sampled_from([None, "dpo", "kto", "reward", "grpo"]))
def test_no_figures_are_too_odd_to_be_looked_at(steps, held, method):
    figures = Figures(lines(steps), lines(held), Config(method=Method(name=method)))
    for ailment in AILMENTS:
        ailment(figures)


def test_every_ailment_is_described():
    told = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    assert [name for name in SICK if f"\n| {name}" not in told] == []
    assert len(SICK) == told.count("\n| ") - 1  # but for the head
