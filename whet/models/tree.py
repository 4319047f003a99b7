"""A fixed set of continuations as one tree, so that what they begin with in common is computed once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from whet.models.heads import Head
from whet.models.logprobs import CHUNK


class Tree:
    """Token sequences by their common beginnings.

    Letters used here: B prompts, C sequences, E tokens of the tree, N those of them that others follow.

    Args:
        sequences: none empty; all different.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        children: dict[tuple[int, int], int] = {}  # (what comes before, token) -> its number
        parents, tokens = list[int](), list[int]()
        self._paths: list[list[int]] = []
        for sequence in sequences:
            at, path = -1, []
            for token in sequence:
                if (at, token) not in children:
                    children[at, token] = len(tokens)
                    parents.append(at)
                    tokens.append(token)
                at = children[at, token]
                path.append(at)
            self._paths.append(path)
        followed = sorted(set(parents) - {-1})
        number = {at: place for place, at in enumerate(followed)}
        self.tokens = [tokens[at] for at in followed]  # what has to be fed to a model: (N,)
        self._before = torch.tensor([number.get(at, -1) + 1 for at in parents])  # (E,), 0 is the end of the prompt
        self._next = torch.tensor(tokens)  # (E,)
        depths: list[int] = []
        self.sees = torch.eye(len(followed), dtype=torch.bool)  # (N, N): itself and what came before it
        for place, at in enumerate(followed):
            above = number.get(parents[at], -1)
            depths.append(depths[above] + 1 if above >= 0 else 0)
            if above >= 0:
                self.sees[place] |= self.sees[above]
        self.depths = torch.tensor(depths, dtype=torch.long)  # (N,)

    def likelihood(self, last: Tensor, states: Tensor, head: Head) -> Tensor:
        """Return the log-probability of every whole sequence after each prompt.

        Shapes: last (B, H), the hidden state at the end of each prompt; states (B, N, H); result (B, C) float64.
        Units: nats.
        """
        hidden = torch.cat([last[:, None], states], 1)
        order = self._before.argsort(stable=True)
        before, tokens = (part[order].to(last.device) for part in (self._before, self._next))
        said = torch.empty(len(last), len(order), dtype=torch.float64)
        for row, rows in enumerate(hidden):
            parts = []
            for start in range(0, len(rows), CHUNK):
                logits = head(rows[start : start + CHUNK]).float()
                here = (before >= start) & (before < start + CHUNK)
                place, token = before[here] - start, tokens[here]
                parts.append(logits[place, token] - logits.logsumexp(-1)[place])
            said[row, order] = torch.cat(parts).cpu().double()
        return torch.stack([said[:, path].sum(1) for path in self._paths], 1)
