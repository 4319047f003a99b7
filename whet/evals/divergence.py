"""How far tuning moved what a model would say next, on texts that have nothing to do with the task."""

from collections.abc import Callable, Sequence

import torch

from whet.models.adapt import switched_off
from whet.models.batch import collate, cut
from whet.models.policy import Policy
from whet.types import Tokens

CHUNK = 256  # positions whose distributions over all tokens are held at a time: 50 MB each of 49,152 in float32


@torch.inference_mode()
def divergences(
    tuned: Policy,
    base: Policy,
    rows: Sequence[Tokens],
    between: Callable[[], None] = lambda: None,
    done: Callable[[float], None] = lambda _: None,
    tokens: int = 4096,
) -> list[float]:
    """Return, per row, KL(base || tuned) of the next token, in nats, meaned over the tokens that count.

    Exact, over all tokens of the vocabulary (Kullback and Leibler 1951). `base` may be the tuned model, whose adapter
    is then switched off. `between` is called before every pass and may raise; `done` is told how many rows were read.
    """
    found: dict[int, float] = {}
    for group in cut(list({id(row): row for row in rows}.values()), tokens, padded=not (tuned.packs and base.packs)):
        between()
        batch = collate(group, share=tuned.packs and base.packs)
        with switched_off(base.model):
            before = base.states(batch)
        after = tuned.states(batch)
        parts = [
            (was.exp() * (was - now)).sum(-1)
            for old, new in zip(torch.split(before, CHUNK), torch.split(after, CHUNK), strict=True)
            for was, now in [(base.log_softmax(old), tuned.log_softmax(new))]
        ]
        each = torch.cat(parts).clamp_(min=0).cpu()
        counts = (batch.weights > 0).sum(1).tolist()
        for row, part in zip(group, torch.split(each, counts), strict=True):
            found[id(row)] = float(part.mean())
        done(len(group))
    return [found[id(row)] for row in rows]
