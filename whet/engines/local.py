"""A local model that answers: a start that all prompts share computed once, rows leaving as they end."""

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
from whet.models.heads import Head
from whet.models.logprobs import chosen
from whet.models.memory import Memory, Packed, Pairs, Single, bytes_per_token, length_of
from whet.types import Delta, Prompt, Reply, Sampling

BUDGET = 2 << 30  # bytes of keys and values a batch may grow to, a shared start counted once
MOST = 128  # rows in a batch
SHARED = 8  # tokens that a shared start must have to be worth a pass of its own
LEFT = 0.85  # rows that ended stay in the batch until so few are going on: taking them out copies all others


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
        packs: whether the model lets us lay out its rows (see Policy); if not, it answers one prompt at a time.
    """

    def __init__(self, model: nn.Module, renderer: Renderer, context: int, *, packs: bool) -> None:
        self.renderer, self.context, self._packs = renderer, context, packs
        self.model = model
        self.between: Callable[[], None] = lambda: None  # called before every pass over the model; may raise
        self.device = next(model.parameters()).device
        inner = causal(model)
        self._core: nn.Module = getattr(inner, str(inner.base_model_prefix))
        self._head = Head(inner)
        self._room = BUDGET // bytes_per_token(inner) if packs else 0

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
        shared = common_start([row.ids for row in rows]) if self._packs and len(rows) > 1 else 0
        begun: Pairs = {}
        if shared >= SHARED:
            self.between()
            begun = Packed.begun(self._core, self.device, rows[0].ids[:shared])
        for group in self._groups(rows, sampling.max_tokens, length_of(begun)):
            start = time.perf_counter()
            self._answer(group, sampling, begun)
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

    def _groups(self, rows: Sequence[Row], max_tokens: int, shared: int) -> Iterator[list[Row]]:
        group: list[Row] = []
        for row in sorted(rows, key=lambda row: (len(row.ids), row.ids)):
            longest = len(row.ids) - shared + max([max_tokens, *map(len, row.targets)])
            most = min(MOST, self._room // longest) if self._packs else 1
            if group and len(group) >= most:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _memory(self, begun: Pairs) -> Memory:
        return Packed(self._core, self.device, begun) if self._packs else Single(self._core, self.device)

    def _answer(self, rows: list[Row], sampling: Sampling, begun: Pairs) -> None:
        """Fill in what each row says and how likely its targets are."""
        for number in range(1, max(len(row.targets) for row in rows)):
            self._read([row for row in rows if number < len(row.targets)], number, begun)
        memory, last = self._read(rows, 0, begun)
        self._say(rows, memory, last, sampling)

    def _read(self, rows: list[Row], number: int, begun: Pairs) -> tuple[Memory, Tensor]:
        """Read the prompts, add the log-loss of each row's target `number`, and return what comes after the prompts.

        Shapes: (B, H), the hidden state that says the first token of each reply.
        """
        self.between()
        shared = length_of(begun)
        memory = self._memory(begun)
        targets = [row.targets[number] if number < len(row.targets) else [] for row in rows]
        read = [row.ids[shared:] + target[:-1] for row, target in zip(rows, targets, strict=True)]
        keep = [len(row.ids) - shared for row in rows]
        hidden, where = memory.read(read, keep)
        wanted = [(at, place) for at, target in enumerate(targets) for place in range(len(target))]
        if wanted:
            before = torch.tensor([(at, keep[at] - 1 + place) for at, place in wanted], device=self.device).T
            tokens = torch.tensor([targets[at][place] for at, place in wanted], device=self.device)
            said = chosen(hidden[where[before[0], before[1]]], self._head, tokens)
            parts = torch.split(said, [len(target) for target in targets])
            for row, part in zip(rows, parts, strict=True):
                if len(part):
                    row.losses.append(-float(part.mean()))
        last = where[torch.arange(len(rows)), torch.tensor(keep) - 1]
        return memory, hidden[last]

    def _say(self, rows: list[Row], memory: Memory, hidden: Tensor, sampling: Sampling) -> None:
        generator = torch.Generator().manual_seed(sampling.seed)
        batch: list[Row | None] = list(rows)  # None: this row has ended and stays for company
        while True:
            self.between()
            drawn = _draw(self._head(hidden), sampling, generator)
            for at, token in enumerate(drawn.tolist()):
                if (row := batch[at]) is not None and self._ends(row, token, sampling):
                    batch[at] = None
            going = [at for at, row in enumerate(batch) if row is not None]
            if not going:
                return
            if len(going) <= LEFT * len(batch):
                kept = torch.tensor(going, device=self.device)
                memory.select(kept)
                drawn, batch = drawn[kept], [batch[at] for at in going]
            hidden = memory.step(drawn)

    def _ends(self, row: Row, token: int, sampling: Sampling) -> bool:
        """Add a token to a reply and say whether that was the last."""
        if token in self.renderer.stops:
            row.finish = "stop"
            return True
        row.said.append(token)
        return len(row.said) >= sampling.max_tokens or len(row.ids) + len(row.said) >= self.context

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply as they are drawn; a piece never holds half of a character."""
        row = self._row(0, prompt, False)
        generator = torch.Generator().manual_seed(sampling.seed)
        shown = ""
        with torch.inference_mode():
            memory, hidden = self._read([row], 0, {})
            while True:
                token = _draw(self._head(hidden), sampling, generator)
                ended = self._ends(row, int(token), sampling)
                text = self.renderer.decode(row.said)
                if not text.endswith("\ufffd") and len(text) > len(shown):
                    yield Delta(text[len(shown) :])
                    shown = text
                if ended:
                    break
                hidden = memory.step(token)
        yield Delta(self.renderer.decode(row.said)[len(shown) :], row.finish)


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
