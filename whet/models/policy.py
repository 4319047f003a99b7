"""The model being trained, seen through the one question every method asks of it."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from whet.config.tree import Adapter
from whet.errors import ModelError
from whet.models.adapt import attach, causal
from whet.models.batch import Batch
from whet.models.heads import Head
from whet.models.logprobs import chosen


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says about a batch. Shapes: logprobs (B, T) float32 nats, 0 wherever nothing trains."""

    logprobs: Tensor


class Policy:
    """A causal language model with what trains marked.

    The head runs only where tokens train. A shared prefix is computed once and attended to by every row. Both are
    checked against the model's own plain forward pass when the policy is made, on a small random batch: a model on
    which the prefix does not agree is trained without one.

    Raises:
        ModelError: the log-probabilities are not those of the model's own forward pass.
    """

    def __init__(self, model: nn.Module, *, autocast: bool = False) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._autocast = autocast
        inner = causal(model)
        self._inner = inner
        self._core: nn.Module = getattr(inner, str(inner.base_model_prefix))
        self._head = Head(inner)
        if not self._agrees(prefix=0):
            kind = type(inner).__name__
            raise ModelError(
                f"model.name: {kind} computes its answers in a way that whet cannot follow; choose another"
            )
        self.shares_prefix = self._agrees(prefix=4)

    @classmethod
    def trained(cls, model: nn.Module, adapter: Adapter, *, seed: int, autocast: bool) -> "Policy":
        """Return a policy with the adapter attached (or every weight set to train)."""
        return cls(attach(model, adapter, seed), autocast=autocast)

    def _precision(self) -> torch.autocast | nullcontext[None]:
        return torch.autocast(self.device.type, torch.bfloat16) if self._autocast else nullcontext()

    def __call__(self, batch: Batch) -> Outputs:
        """Return the log-probabilities of the tokens that train."""
        batch = batch.to(self.device)
        rows, places = (batch.weights > 0).nonzero(as_tuple=True)
        with self._precision():
            said = chosen(self.hidden(batch)[rows, places - 1], self._head, batch.tokens[rows, places])
        # A weight at place 0 follows a prefix whose last token's state is not in the rows; collate never makes one.
        spread = torch.zeros(batch.tokens.shape, dtype=torch.float32, device=self.device)
        return Outputs(spread.index_put((rows, places), said))

    def hidden(self, batch: Batch) -> Tensor:
        """Return the last hidden state after each token of the rows. Shapes: (B, T, H)."""
        if not len(batch.prefix):
            # Padding is on the right, where a causal model cannot see it from any real token.
            return self._core(input_ids=batch.tokens, use_cache=False).last_hidden_state  # type: ignore[no-any-return]
        length, (rows, width) = len(batch.prefix), batch.tokens.shape
        cache = DynamicCache()
        self._core(input_ids=batch.prefix[None], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(rows)
        places = torch.arange(length, length + width, device=self.device)[None].expand(rows, -1)
        out = self._core(input_ids=batch.tokens, past_key_values=cache, position_ids=places, use_cache=True)
        return out.last_hidden_state  # type: ignore[no-any-return]

    @torch.no_grad()
    def _agrees(self, prefix: int) -> bool:
        """Say whether our way gives the log-probabilities of the model's plain forward pass."""
        was_training = self.model.training
        self.model.eval()
        generator = torch.Generator().manual_seed(0)
        vocabulary = int(self._inner.config.vocab_size)  # type: ignore[union-attr, arg-type]
        tokens = torch.randint(0, vocabulary, (2, 12), generator=generator)
        tokens[:, :prefix] = tokens[0, :prefix]
        rest = tokens[:, prefix:]
        weights = torch.ones(rest.shape)
        weights[:, 0] = 0
        batch = Batch(tokens[0, :prefix], rest, weights, torch.tensor([rest.shape[1]] * 2))
        try:
            ours = self(batch).logprobs[:, 1:]
            with self._precision():
                logits = self._inner(input_ids=tokens.to(self.device)).logits.float()
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return False
        finally:
            self.model.train(was_training)
        plain = logits[:, prefix:-1].log_softmax(-1).gather(-1, rest[:, 1:, None].to(self.device))[..., 0]
        exact = next(self.model.parameters()).dtype == torch.float32 and not self._autocast
        return bool(torch.allclose(ours, plain, atol=1e-3 if exact else 0.25))
