"""A local model that answers: batches of like length, a shared start computed once, rows leaving as they end."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from whet.data.render import Renderer
from whet.errors import UsageError
from whet.models.adapt import causal
from whet.models.batch import common_start
from whet.models.cache import GrowingCache
from whet.models.heads import Head
from whet.models.logprobs import chosen
from whet.types import Delta, Prompt, Reply, Sampling

BUDGET = 12_288  # tokens of keys and values a batch may grow to; larger batches gain no speed and cost memory


@dataclass(slots=True)
class Row:
    """One prompt on its way to a reply."""

    place: int
    ids: list[int]
    targets: list[list[int]]
    said: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] = "length"
    losses: list[float] = field(default_factory=list)


class Local:
    """Answers with a causal language model in memory.

    Args:
        model: the model, with its adapter if it has one, in evaluation mode.
        renderer: the renderer that training used.
        context: the longest prompt and reply together, in tokens.
    """

    def __init__(self, model: nn.Module, renderer: Renderer, context: int, *, share: bool = True) -> None:
        self.renderer, self.context, self._share = renderer, context, share
        self.model = model
        self.between: Callable[[], None] = lambda: None  # called before every pass over the model; may raise
        self.device = next(model.parameters()).device
        inner = causal(model)
        self._core: nn.Module = getattr(inner, str(inner.base_model_prefix))
        self._head = Head(inner)
        self._inner = inner

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the prompt's tokens, as `complete` will send them."""
        return self.renderer.prompt(prompt.messages, prompt.tools)

    @torch.inference_mode()
    def complete(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, log_loss: bool = False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) batch by batch, short prompts first.

        Raises:
            UsageError: a prompt leaves no room for a reply; nothing is cut silently.
        """
        rows = [self._row(at, prompt, log_loss) for at, prompt in enumerate(prompts)]
        for group in self._groups(rows, sampling.max_tokens):
            start = time.perf_counter()
            self._answer(group, sampling)
            seconds = (time.perf_counter() - start) / len(group)
            for row in group:
                loss = sum(row.losses) / len(row.losses) if row.losses else None
                text = self.renderer.decode(row.said)
                yield row.place, Reply(text, row.finish, len(row.ids), len(row.said), seconds, loss)

    def _row(self, place: int, prompt: Prompt, log_loss: bool) -> Row:
        ids = self.prompt_ids(prompt)
        if len(ids) >= self.context:
            where = f"{prompt.source}: " if prompt.source else ""
            raise UsageError(
                f"{where}the prompt has {len(ids):,} tokens and the model's context is {self.context:,}; shorten it"
            )
        targets = []
        for target in prompt.targets if log_loss else ():
            whole, begin = self.renderer.answer(prompt, target)
            targets.append(whole[begin:])
        return Row(place, ids, targets)

    def _groups(self, rows: Sequence[Row], max_tokens: int) -> Iterator[list[Row]]:
        group: list[Row] = []
        for row in sorted(rows, key=lambda row: (len(row.ids), row.ids)):
            if group and (len(row.ids) + max_tokens) * (len(group) + 1) > BUDGET:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _answer(self, rows: list[Row], sampling: Sampling) -> None:
        """Fill in what each row says and how likely its targets are."""
        state = self._read([row.ids for row in rows])
        most = max(len(row.targets) for row in rows)
        for number in range(most):
            self._judge(rows, number, state)
        self._say(rows, state, sampling)

    def _read(self, prompts: list[list[int]]) -> "_State":
        """Return the cache after the prompts, which are padded on the left between a shared start and their rest."""
        self.between()
        shared = common_start(prompts) if self._share and len(prompts) > 1 else 0
        cache = GrowingCache()
        if shared >= 8:
            prefix = torch.tensor([prompts[0][:shared]], device=self.device)
            self._core(input_ids=prefix, past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(len(prompts))
        else:
            shared = 0
        width = max(map(len, prompts)) - shared
        tokens = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.ones(len(prompts), shared + width, dtype=torch.long)
        for at, ids in enumerate(prompts):
            gap = width - (len(ids) - shared)
            tokens[at, gap:] = torch.tensor(ids[shared:])
            mask[at, shared : shared + gap] = 0
        tokens, mask = tokens.to(self.device), mask.to(self.device)
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        out = self._core(
            input_ids=tokens, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
        )
        lengths = torch.tensor([len(ids) for ids in prompts], device=self.device)
        return _State(cache, mask, lengths, out.last_hidden_state[:, -1])

    def _judge(self, rows: list[Row], number: int, state: "_State") -> None:
        """Add the log-loss of each row's target `number`, leaving the cache as it was."""
        targets = [row.targets[number] if number < len(row.targets) else row.ids[-1:] for row in rows]
        width = max(map(len, targets))
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        for at, ids in enumerate(targets):
            tokens[at, : len(ids)] = torch.tensor(ids)
        tokens = tokens.to(self.device)
        hidden = state.last[:, None]
        if width > 1:
            more = torch.ones(len(rows), width - 1, dtype=torch.long, device=self.device)
            places = state.lengths[:, None] + torch.arange(width - 1, device=self.device)
            out = self._core(
                input_ids=tokens[:, :-1],
                attention_mask=torch.cat([state.mask, more], 1),
                position_ids=places,
                past_key_values=state.cache,
                use_cache=True,
            )
            hidden = torch.cat([hidden, out.last_hidden_state], 1)
            state.cache.crop(1 - width)  # as many as were fed
        said = chosen(hidden.flatten(0, 1), self._head, tokens.flatten()).view(len(rows), width)
        for at, row in enumerate(rows):
            if number < len(row.targets):
                row.losses.append(-float(said[at, : len(targets[at])].mean()))

    def _say(self, rows: list[Row], state: "_State", sampling: Sampling) -> None:
        generator = torch.Generator().manual_seed(sampling.seed)
        active = list(range(len(rows)))
        hidden = state.last
        while active:
            self.between()
            drawn = _draw(self._head(hidden), sampling, generator)
            going = []
            for at, token in enumerate(drawn.tolist()):
                row = rows[active[at]]
                if token in self.renderer.stops:
                    row.finish = "stop"
                    continue
                row.said.append(token)
                if len(row.said) < sampling.max_tokens and len(row.ids) + len(row.said) < self.context:
                    going.append(at)
            if not going:
                return
            if len(going) < len(active):
                kept = torch.tensor(going, device=self.device)
                state.cache.batch_select_indices(kept)
                state.mask, state.lengths, drawn = state.mask[kept], state.lengths[kept], drawn[kept]
                active = [active[at] for at in going]
            state.mask = torch.cat([state.mask, state.mask.new_ones(len(active), 1)], 1)
            out = self._core(
                input_ids=drawn[:, None],
                attention_mask=state.mask,
                position_ids=state.lengths[:, None],
                past_key_values=state.cache,
                use_cache=True,
            )
            state.lengths = state.lengths + 1
            hidden = out.last_hidden_state[:, -1]

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply as they are drawn; a piece never holds half of a character."""
        row = self._row(0, prompt, False)
        generator = torch.Generator().manual_seed(sampling.seed)
        shown = ""
        with torch.inference_mode():
            state = self._read([row.ids])
            hidden = state.last
            room = min(sampling.max_tokens, self.context - len(row.ids))
            for number in range(room):
                token = _draw(self._head(hidden), sampling, generator)
                if int(token) in self.renderer.stops:
                    row.finish = "stop"
                    break
                row.said.append(int(token))
                text = self.renderer.decode(row.said)
                if not text.endswith("\ufffd") and len(text) > len(shown):
                    yield Delta(text[len(shown) :])
                    shown = text
                if number + 1 < room:
                    place = torch.tensor([[len(row.ids) + number]], device=self.device)
                    out = self._core(
                        input_ids=token[:, None],
                        position_ids=place,
                        past_key_values=state.cache,
                        use_cache=True,
                    )
                    hidden = out.last_hidden_state[:, -1]
        yield Delta(self.renderer.decode(row.said)[len(shown) :], row.finish)


@dataclass(slots=True)
class _State:
    """What the model remembers of a batch. Shapes: mask (B, seen), lengths (B,) real tokens, last (B, H)."""

    cache: GrowingCache
    mask: Tensor
    lengths: Tensor
    last: Tensor


def _draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Return the next token of each row. Shapes: logits (B, V); result (B,)."""
    if sampling.temperature <= 0:
        return logits.argmax(-1)
    likely = (logits / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = likely.sort(-1, descending=True)
        beyond = ordered.cumsum(-1) - ordered >= sampling.top_p  # the first token always stays
        likely = torch.zeros_like(likely).scatter(-1, order, ordered.masked_fill(beyond, 0.0))
    return torch.multinomial(likely.cpu(), 1, generator=generator)[:, 0].to(logits.device)
