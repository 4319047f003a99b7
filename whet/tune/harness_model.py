"""A local model as lm-eval sees one, so that its tasks are asked of the weights that whet serves.

lm-eval (Gao et al., "A framework for few-shot language model evaluation") says what is asked and how it is scored.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from whet.data.render import Renderer
from whet.engines.local import Local
from whet.errors import UsageError
from whet.evals.likelihood import continuation
from whet.models.batch import collate, cut
from whet.models.policy import Policy
from whet.types import Message, Progress, Prompt, Sampling, Tokens

CHUNK = 256  # positions whose distributions over all tokens are held at a time
LONGEST = 256  # tokens of a reply, where a task does not say


class _Raw(Local):
    """Answers text as it stands, without a chat template."""

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the tokens of the text."""
        return self.renderer.encode(prompt.question)


class Harness(LM):  # type: ignore[misc]
    """Answers lm-eval's three kinds of questions. `cut` counts those that lost their beginning, as they did not fit."""

    def __init__(self, engine: Local, show: Progress) -> None:
        super().__init__()
        self._engine, self._show = engine, show
        self.cut = 0
        self._policy = Policy(engine.model)
        self._raw = _Raw(engine.model, engine.renderer, engine.context, packs=engine.packs)
        self._raw.between = engine.between

    @property
    def tokenizer_name(self) -> str:
        """A name for the model's template; nothing is cached under it."""
        return "whet"

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Return what lm-eval notes of the template."""
        return "the model's own"

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Return a conversation as one text, in the model's template."""
        renderer = self._engine.renderer
        said = [Message(cast(Any, one["role"]), one["content"]) for one in chat_history]
        return _whole_text(renderer, renderer.prompt(said))

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Return, per (text, what follows), how likely that is (nats) and whether greedy decoding would say it."""
        renderer, context = self._engine.renderer, self._engine.context
        rows = []
        for one in requests:
            before, after = one.args
            self.cut += len(renderer.encode(before + after)) > context
            rows.append(continuation(renderer, before, after, context))
        self._show.begin("reading what lm-eval asks", len(rows))
        return self._likely(rows)

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Return how likely each text is (nats), in windows of the context that part it without overlap."""
        renderer, found = self._engine.renderer, []
        self._show.begin("reading the texts of lm-eval", len(requests))
        for one in requests:
            windows = get_rolling_token_windows(
                renderer.encode(one.args[0]), min(renderer.stops), self._engine.context - 1, 1
            )
            rows = [_row(*make_disjoint_window(window)) for window in windows]
            found.append(sum(nats for nats, _ in self._likely(rows, told=False)))
            self._show.advance(1)
        return found

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return what is said after each text, up to the first of its ends."""
        found: list[str | None] = [None] * len(requests)
        self._show.begin("answering lm-eval", len(requests))
        kinds: dict[tuple[int, float], list[int]] = {}
        for at, one in enumerate(requests):
            settings = one.args[1]
            warm = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
            kinds.setdefault((int(settings.get("max_gen_toks", LONGEST)), warm), []).append(at)
        for (most, warm), places in kinds.items():
            prompts = [self._fitting(requests[at].args[0], most) for at in places]
            sampling = Sampling(warm, max_tokens=most)
            for place, reply in self._raw.complete(prompts, sampling):
                until = requests[places[place]].args[1].get("until") or []
                found[places[place]] = _before(reply.text, [until] if isinstance(until, str) else until)
                self._show.advance(1)
        return [text or "" for text in found]

    def _fitting(self, text: str, most: int) -> Prompt:
        room = self._engine.context - most
        if room < 1:
            raise UsageError(f"replies of {most:,} tokens leave no room in a context of {self._engine.context:,}")
        ids = self._engine.renderer.encode(text)
        if len(ids) > room:
            self.cut += 1
            text = _whole_text(self._engine.renderer, ids[len(ids) - room :])
        return Prompt((Message("user", text),))

    @torch.inference_mode()
    def _likely(self, rows: Sequence[Tokens], *, told: bool = True) -> list[tuple[float, bool]]:
        found: dict[int, tuple[float, bool]] = {}
        policy = self._policy
        for group in cut(list({id(row): row for row in rows}.values()), 4096, padded=not policy.packs):
            self._engine.between()
            batch = collate(group, share=policy.packs)
            targets = batch.tokens[batch.weights > 0].to(policy.device)
            said, greedy = [], []
            for states, wanted in zip(
                torch.split(policy.states(batch), CHUNK), torch.split(targets, CHUNK), strict=True
            ):
                likely = policy.log_softmax(states)
                said.append(likely.gather(1, wanted[:, None])[:, 0].cpu())
                greedy.append((likely.argmax(-1) == wanted).cpu())
            counts = (batch.weights > 0).sum(1).tolist()
            parts = zip(torch.split(torch.cat(said), counts), torch.split(torch.cat(greedy), counts), strict=True)
            for row, (nats, first) in zip(group, parts, strict=True):
                found[id(row)] = float(nats.sum()), bool(first.all())
            if told:
                self._show.advance(len(group))
        return [found[id(row)] for row in rows]


def _whole_text(renderer: Renderer, ids: Sequence[int]) -> str:
    """Return the text of tokens, special ones written out."""
    return str(renderer.tokenizer.decode(list(ids), skip_special_tokens=False))


def _row(before: list[int], after: list[int]) -> Tokens:
    ids = (*before, *after)
    return Tokens(ids, tuple(float(at >= len(before)) for at in range(len(ids))))


def _before(text: str, ends: Sequence[str]) -> str:
    for end in ends:
        text = text.split(end, maxsplit=1)[0] if end else text
    return text
