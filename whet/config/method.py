"""The section `method` of a recipe: what is learned from the rows. Each field says which methods hear it."""

from typing import Literal

from pydantic import Field

from whet.config.section import Names, Section, Share

MethodName = Literal[
    "sft", "dpo", "simpo", "orpo", "cpo", "ranking", "kto", "reward", "grpo", "ppo", "online_dpo", "distil",
]  # fmt: skip


class Method(Section):
    """What is learned from the rows."""

    name: MethodName | None = None
    """sft learns answers; dpo, simpo, orpo and cpo learn from a better and a worse reply, ranking from several, kto
    from single replies with a thumb up or down; reward makes a model that scores replies; grpo, ppo and online_dpo draw
    replies to the rows' questions and learn from what scorers say; distil comes to say what `teacher` says. Default is
    what the rows are: sft, dpo, kto, or grpo for prompts that a grader judges."""
    beta: float | None = Field(None, gt=0)
    """How closely to stay with the model that training began with (dpo, ranking, kto), how sharp a preference is
    (simpo, cpo), or what it weighs beside the answer's log-loss (orpo); default is 0.1, of simpo 2."""
    loss: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    """What dpo makes of the margin between two replies."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """Share of the preferences that is taken to be the wrong way round (dpo with sigmoid or robust, simpo, cpo)."""
    length_normalised: bool = False
    """true lets dpo compare replies by their nats a token."""
    sft: float | None = Field(None, ge=0)
    """Weight of the best reply's log-loss beside the preference (dpo, where default is 0; cpo, where it is 1), or of
    the answer's beside the divergence (distil, where it is 0)."""
    gamma: float | None = Field(None, ge=0)
    """By how much simpo wants the better reply ahead; default is 0.5."""
    margin: bool = False
    """true lets reward put replies as far apart as their grades are."""
    centre: float | None = Field(None, ge=0)
    """How strongly reward holds scores near 0 in the mean; default is 0.01."""
    rewards: Names = ()
    """Scorers whose mean is the reward of a reply that is drawn, or with weights their sum: `number*0.8, length*-0.2`.
    A file with a grader, `grader` for each row's own, and `run:PATH` for a reward model are scorers too. Default is the
    rows' own grader, or chosen from the data, as eval.scorers."""
    patience: float = Field(30.0, gt=0)
    """Seconds that a reward of your own, or a grader's program, may take for a reply."""
    failed: Literal["unscored", "zero"] = "unscored"
    """What a reply is worth on which a reward fails: unscored leaves it out, OpenAI's jobs count zero."""
    group: int | None = Field(None, ge=1, le=1024)
    """Replies drawn to each prompt; default is 8 of grpo, 1 of ppo, 2 of online_dpo (the best and the worst count)."""
    longest: int = Field(128, ge=1)
    """Tokens of a reply that is drawn, at most."""
    temperature: float = Field(1.0, gt=0, le=2)
    """Of the replies that are drawn, and (but in distil) of what is learned of them."""
    unended: float | None = None
    """Reward of a reply that did not end within `longest` (ppo), instead of what scorers say of it."""
    advantage: Literal["group", "centred", "left_out"] = "group"
    """How much better a reply is (grpo): than the others in units of their spread (GRPO), without it (Dr. GRPO), or
    than the mean of the others alone (RLOO)."""
    mean: Literal["row", "token", "constant"] = "token"
    """What counts alike (grpo): every reply (GRPO), every token (DAPO), or every token over `longest` (Dr. GRPO)."""
    clip: float = Field(0.2, gt=0, lt=1)
    """How far a token's probability may move from what it was drawn with (grpo, ppo)."""
    clip_high: float | None = Field(None, gt=0)
    """The same upwards, if it is another; DAPO takes 0.28."""
    updates: int | None = Field(None, ge=1, le=64)
    """Optimizer steps on the same replies; default is 4 of ppo, otherwise 1."""
    kl: float | None = Field(None, ge=0)
    """Weight of the divergence from the model that training began with (grpo, where default is 0; ppo, where it is
    0.05)."""
    kl_target: float | None = Field(None, gt=0)
    """Divergence in nats a reply that ppo is held to by changing the weight `kl` as it goes."""
    decay: float | None = Field(None, ge=0, le=1)
    """How far ahead ppo looks when it says how much better a token did than expected (lambda); default is 0.95."""
    value_weight: float | None = Field(None, ge=0)
    """Weight of the loss of ppo's values; default is 0.1."""
    teacher: str | None = None
    """Who is learned from (distil): a base model, a run or a model's folder, with the same tokens."""
    divergence: Literal["forward", "reverse", "jsd"] = "forward"
    """How far distil takes what the model says next to be from what the teacher says: KL(teacher || model), which
    wants all that the teacher says, KL(model || teacher), which wants nothing that it does not say, or jsd between."""
    mix: float = Field(0.5, gt=0, lt=1)
    """The teacher's share of the mixture that jsd compares both with; near 0 it is like forward, near 1 like
    reverse."""
    softmax_temperature: float = Field(1.0, gt=0, le=100)
    """Both models' logits are divided by it before they are compared (distil); the loss is not scaled back."""
    on_policy: Share = 0.0
    """Share of the rows whose reply is drawn from the model that learns, each time anew, instead of the row's answer
    (distil)."""
    good: float = Field(1.0, gt=0)
    """Weight of good replies (kto)."""
    bad: float = Field(1.0, gt=0)
    """Weight of bad replies (kto)."""
