"""How sure a model is of what it said itself."""

from collections.abc import Sequence

from whet.engines.local import Local
from whet.evals.evaluate import row_logprobs
from whet.models.policy import Policy
from whet.types import Engine, Progress, Prompt, Reply, Tokens


def certainty(engine: Engine, said: Sequence[Prompt], replies: Sequence[Reply], show: Progress) -> list[float] | None:
    """Return how sure a model is of its replies: the geometric mean of its tokens' probabilities, from 0 to 1.

    None of a model behind a server, which does not tell. Source: Malinin and Gales 2021, arXiv:2002.07650, section 3,
    for the length-normalised likelihood.
    """
    if not isinstance(engine, Local):
        return None
    rows = []
    for prompt, reply in zip(said, replies, strict=False):
        ids, begin = engine.renderer.answer(prompt, reply.text)
        rows.append(Tokens(tuple(ids), tuple(float(at >= begin) for at in range(len(ids))), prompt.source))
    show.begin("reading the answers again", len(rows))
    found = row_logprobs(Policy(engine.model), rows, engine.between, show.advance)
    return [float(logprobs.mean().exp()) for logprobs, _ in found]
