"""What can be learned from which rows."""

from collections.abc import Sequence

from whet.config.adapters import VIRTUAL
from whet.config.tree import Config, Data, Method
from whet.data.split import Splits
from whet.errors import DataError, Problem, UsageError
from whet.types import Chat, Example, Feedback, Preference, Text

ONLINE = ("grpo", "ppo", "online_dpo")  # these draw their own replies; answers are only what scorers compare with
PAIRED = ("dpo", "simpo", "orpo", "cpo", "ranking", "reward")


def method_for(asked: str | None, splits: Splits, data: Data) -> str:
    """Return the method that learns from these rows: the one that is asked for, or the one that suits them.

    Raises:
        DataError: rows of different kinds. UsageError: the method cannot learn from such rows.
    """
    sides: dict[str, Sequence[Example]] = {
        "train": splits.train, "validation": splits.validation, "test": splits.test,
    }  # fmt: skip
    kinds = {_kind(row): name for name, rows in sides.items() for row in rows}
    if len(kinds) > 1:
        where = str(data.train)
        what = f"holds {' and '.join(sorted(kinds))} beside each other; part them, as each is learned in its own way"
        raise DataError([Problem(where, 0, what)])
    (kind,) = kinds
    text = any(isinstance(row, Text) for row in splits.train)
    ways = {
        "answers": ("sft", "distil") if text else ("sft", *ONLINE, "distil"),
        "preferences": (*PAIRED, "kto"),
        "verdicts": ("kto",),
        "prompts": ONLINE,
    }[kind]
    if asked is None:
        return ways[0]
    if asked in ways:
        return asked
    if asked == "sft" and kind == "prompts":
        raise UsageError(f"method.name: sft learns answers, and the rows of {data.train} have none; use {ways[0]}")
    if asked == "sft":
        way = f"to learn the preferred replies alone: whet data convert {data.train} --to messages --out FILE.jsonl"
        raise UsageError(f"method.name: sft learns answers, and {data.train} holds {kind} on replies; {way}")
    raise UsageError(f"method.name: {asked} cannot learn from {kind}; with such rows use {', '.join(ways)}")


def _kind(row: Example) -> str:
    if isinstance(row, Chat | Text):
        return "answers"
    return "preferences" if isinstance(row, Preference) else "verdicts" if isinstance(row, Feedback) else "prompts"


DRAWN = ("rewards", "patience", "failed", "group", "longest", "temperature", "updates")
HEARD = {
    "sft": (),
    "dpo": ("beta", "loss", "label_smoothing", "length_normalised", "sft"),
    "simpo": ("beta", "gamma", "label_smoothing"),
    "cpo": ("beta", "label_smoothing", "sft"),
    "orpo": ("beta",),
    "ranking": ("beta",),
    "kto": ("beta", "good", "bad"),
    "reward": ("margin", "centre"),
    "grpo": (*DRAWN, "advantage", "mean", "clip", "clip_high", "kl"),
    "ppo": (*DRAWN, "clip", "clip_high", "kl", "kl_target", "decay", "value_weight", "unended"),
    "online_dpo": (*DRAWN, "beta", "loss", "label_smoothing", "length_normalised"),
    "distil": (
        "teacher", "divergence", "mix", "softmax_temperature", "sft", "on_policy", "longest", "temperature",
    ),
}  # fmt: skip
"""The settings of `method` that have a say with each."""


FORMER = {"group": 8, "updates": 1, "kl": 0.0}
"""Defaults that older runs wrote into their recipe, which then ask for nothing."""


def check_options(config: Config, method: str) -> None:
    """Make sure that no setting is one that this method would not hear.

    Raises:
        UsageError: every such setting is named.
    """
    plain, asked = Method(), config.method
    told = [
        name for name in Method.model_fields if getattr(asked, name) not in (getattr(plain, name), FORMER.get(name))
    ]
    deaf = [f"method.{name}" for name in told if name not in ("name", *HEARD[method])]
    if asked.label_smoothing and asked.loss in ("hinge", "ipo"):
        deaf.append(f"method.label_smoothing (with loss={asked.loss})")
    if method == "distil":
        deaf += ["method.mix (without method.divergence=jsd)"] if "mix" in told and asked.divergence != "jsd" else []
        drawing = [name for name in ("longest", "temperature") if name in told and not asked.on_policy]
        deaf += [f"method.{name} (without method.on_policy)" for name in drawing]
    if method not in ("sft", "distil"):
        deaf += ["optim.order"] if config.optim.order else []
        deaf += ["data.train_on"] if config.data.train_on != "answers" else []
    if method in (*PAIRED, "kto") and config.data.overlong in ("truncate_left", "split"):
        deaf.append(f"data.overlong={config.data.overlong}")
    if method == "reward" and config.model.quantize:
        deaf.append("model.quantize")
    if method == "reward" and config.adapter.kind in VIRTUAL:
        deaf.append(f"adapter.kind={config.adapter.kind}")
    if asked.kl_target and asked.kl == 0:
        raise UsageError("method.kl: 0 stays 0 however far method.kl_target is away; leave one of them out")
    if method == "grpo" and (asked.updates or 1) == 1:  # each token is then as likely as when it was drawn
        deaf += [f"method.{name} (with method.updates=1)" for name in ("clip", "clip_high") if name in told]
    if method in ("grpo", "online_dpo") and asked.group == 1:
        raise UsageError(f"method.group: {method} compares the replies to a prompt, so it needs 2 at least")
    if deaf:
        raise UsageError("\n".join(f"{name}: has no say with {method}; leave it out" for name in deaf))
