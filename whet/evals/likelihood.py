"""How likely a model finds what may follow, for suites of choices and texts.

Source: the conventions of Gao et al., "A framework for few-shot language model evaluation" (acc: the choice with the
highest sum of log-probabilities; acc_norm: the highest divided by its length in characters).
"""

from collections.abc import Callable, Sequence

from whet.data.render import Renderer
from whet.evals.evaluate import Answer, row_logprobs
from whet.evals.suites import Suite
from whet.models.policy import Policy
from whet.types import Message, Prompt, Reply, Score, Tokens


def continuation(renderer: Renderer, before: str, after: str, context: int) -> Tokens:
    """Return the tokens of a text whose second part counts. Nothing says "begin", as the model never saw it alone.

    What does not fit the context is cut off its beginning, whole tokens at a time; of an empty beginning the first
    token is the model's end-of-text, after which every text of its training began.
    """
    start = len(before) - len(before.rstrip())
    before, after = before[: len(before) - start], before[len(before) - start :] + after
    whole, head = renderer.encode(before + after), renderer.encode(before)
    if whole[: len(head)] != head:
        whole = head + renderer.encode(after)
    if not head:
        whole, head = [min(renderer.stops), *whole], [0]
    cut_off = max(0, len(whole) - context)
    ids = whole[cut_off:]
    first = max(1, len(head) - cut_off)
    return Tokens(tuple(ids), tuple(float(at >= first) for at in range(len(ids))))


def scored(
    policy: Policy,
    renderer: Renderer,
    suite: Suite,
    context: int,
    between: Callable[[], None] = lambda: None,
    done: Callable[[float], None] = lambda _: None,
) -> list[Answer]:
    """Return what a model finds likeliest of every item, with its scores: acc and acc_norm (0 or 1) of choices.

    The log-loss is that of the right choice, or of the text, in nats a token; the first score decides.
    """
    rows = [
        continuation(renderer, item.prompt, item.between + choice, context)
        for item in suite.items
        for choice in item.choices
    ]
    share = len(suite.items) / len(rows)
    read = row_logprobs(policy, rows, between, lambda count: done(count * share))
    totals = [float(logprobs.sum()) for logprobs, _ in read]
    likely = iter(zip(rows, totals, strict=True))
    answers = []
    for item in suite.items:
        found = [next(likely) for _ in item.choices]
        said, scores = 0, {}
        if suite.kind == "choice":
            likes = [total for _, total in found]
            shares = [total / len(choice) for total, choice in zip(likes, item.choices, strict=True)]
            best = {"acc": _first(likes), "acc_norm": _first(shares)}
            said = best[suite.decides]
            ordered = sorted(best, key=lambda name: name != suite.decides)
            scores = {name: Score(float(best[name] == item.gold)) for name in ordered}
        row, total = found[item.gold]
        prompt = Prompt((Message("user", item.prompt),), (item.choices[item.gold],), item.source)
        reply = Reply(item.choices[said], "stop", len(row.ids) - row.trained, row.trained, 0.0, -total / row.trained)
        answers.append(Answer(prompt, reply, scores))
    return answers


def _first(values: Sequence[float]) -> int:
    """Return the place of the largest value, the first of equals."""
    return max(range(len(values)), key=values.__getitem__)
