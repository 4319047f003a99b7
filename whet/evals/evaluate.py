"""Ask, write down, score. Answers are kept as they come, so an interrupted evaluation goes on where it stopped."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from whet.errors import RunError
from whet.evals.suites import Suite
from whet.models.batch import collate, cut
from whet.models.policy import Policy
from whet.runs.run import disk
from whet.scorers._named import scored
from whet.types import Engine, Progress, Prompt, Reply, Sampling, Score, Scorer, Tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """One prompt, one reply, its scores."""

    prompt: Prompt
    reply: Reply
    scores: Mapping[str, Score]


def ask(
    engine: Engine,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    show: Progress,
    file: Path | None = None,
    about: str = "",
    *,
    log_loss: bool = True,
) -> list[Reply]:
    """Return one reply per prompt, in order, by default with the log-loss of its targets.

    With `file`, every reply is appended as it comes and those already there (for the same prompts, sampling and
    `about`, which tells who answers) are not asked again.
    """
    about += "".join(sampling.choices)
    digest = hashlib.sha256((repr((prompts, sampling)) + about).encode("utf-8", "replace")).hexdigest()
    replies = _kept(file, digest) if file else {}
    missing = [place for place in range(len(prompts)) if place not in replies]
    show.skip(len(replies))
    if file and not replies:
        with disk(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"prompts": digest}) + "\n", encoding="utf-8")
    for place, reply in engine.complete([prompts[at] for at in missing], sampling, log_loss=log_loss):
        replies[missing[place]] = reply
        if file:
            with disk(file), file.open("ab") as out:
                line = json.dumps({"place": missing[place], **asdict(reply)}, ensure_ascii=False)
                out.write(line.encode("utf-8", "replace") + b"\n")
        show.advance(1)
    return [replies[place] for place in range(len(prompts))]


def _kept(file: Path, digest: str) -> dict[int, Reply]:
    if not file.exists():
        return {}
    # Only "\n" ends a line: a reply may hold U+2028 or U+0085, at which splitlines would cut.
    text = file.read_text(encoding="utf-8", errors="replace")
    head, *lines = [line for line in text.split("\n") if line] or ["{}"]
    kept: dict[int, Reply] = {}
    try:
        if json.loads(head).get("prompts") != digest:
            return {}
        for line in lines:
            fields = json.loads(line)
            place = fields.pop("place")
            kept[place] = Reply(**fields)
    except (ValueError, TypeError, KeyError):
        pass  # a line torn by a crash: everything before it counts
    if kept and (len(kept) != len(lines) or not text.endswith("\n")):
        body = [json.dumps({"place": place, **asdict(reply)}, ensure_ascii=False) for place, reply in kept.items()]
        try:
            file.write_text("\n".join([head, *body]) + "\n", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{file}: {error}") from None
    return kept


def score(prompts: Sequence[Prompt], replies: Sequence[Reply], scorers: Mapping[str, Scorer]) -> list[Answer]:
    """Return the replies with their scores."""
    texts = [reply.text for reply in replies]
    columns = {name: scored(scorer, prompts, texts) for name, scorer in scorers.items()}
    return [
        Answer(prompt, reply, {name: column[at] for name, column in columns.items()})
        for at, (prompt, reply) in enumerate(zip(prompts, replies, strict=True))
    ]


def replied(engine: Engine, suite: Suite, show: Progress, file: Path | None = None, about: str = "") -> list[Answer]:
    """Return what a model replies to the questions of a suite, with their scores; with `file` as in `ask`."""
    asked = [item.question for item in suite.items]
    replies = ask(engine, asked, Sampling(max_tokens=suite.max_tokens), show, file, about, log_loss=False)
    return score(asked, replies, suite.scorers)


def _nothing(*_: object) -> None:
    """Do nothing between two micro-batches."""


@torch.inference_mode()
def row_logprobs(
    policy: Policy,
    rows: Sequence[Tokens],
    between: Callable[[], None] = _nothing,
    done: Callable[[float], None] = _nothing,
    tokens: int = 4096,
) -> list[tuple[Tensor, Tensor]]:
    """Return, per row, the log-probabilities (nats) of the tokens that train, and their weights. Shapes: (N,) each.

    `between` is called before every pass over the model and may raise; `done` is told how many rows were read.
    """
    found: dict[int, tuple[Tensor, Tensor]] = {}
    places = defaultdict[int, list[int]](list)  # a row may stand among them twice
    for place, row in enumerate(rows):
        places[id(row)].append(place)
    for group in cut(rows, tokens, padded=not policy.packs):
        between()
        batch = collate(group, share=policy.packs)
        logprobs = policy(batch).logprobs.cpu()
        for at, row in enumerate(group):
            trains = batch.weights[at] > 0
            found[places[id(row)].pop()] = logprobs[at][trains], batch.weights[at][trains]
        done(len(group))
    return [found[place] for place in range(len(rows))]


def row_losses(policy: Policy, rows: Sequence[Tokens]) -> list[float]:
    """Return each row's mean negative log-probability over its trained tokens (nats), in order."""
    return [-float((said * weights).sum() / weights.sum()) for said, weights in row_logprobs(policy, rows)]
