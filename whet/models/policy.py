"""The model being trained, seen through the one question every method asks of it."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from whet.config.tree import Adapter
from whet.errors import ModelError
from whet.models.adapt import attach, causal
from whet.models.batch import Batch, Stem, flatten
from whet.models.heads import Head
from whet.models.logprobs import chosen
from whet.models.offload import kept_on_host
from whet.models.packed import Layout, disable, enable, sees_as_configured, states
from whet.models.ranks import regulariser
from whet.models.virtual import Led, ahead, virtual
from whet.models.work import Work


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says about a batch.

    Shapes: logprobs and, beside a teacher, divergence (B, T) float32 nats, 0 wherever nothing trains; values of rows
    (B,) or before each token that trains (B, T).
    """

    logprobs: Tensor
    values: Tensor | None = None
    divergence: Tensor | None = None


class Policy:
    """A causal language model with what trains marked.

    The head runs only where tokens train. Rows are laid end to end, so that no layer computes padding, and a shared
    prefix is computed once. Both are checked against the model's own plain forward pass when the policy is made, on a
    small random batch: a model on which the packed pass does not agree is trained on padded rows without a prefix.

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
        self._work = Work(model, inner, self._head)
        self.beside = 0.0  # bytes that a token takes in passes of other models
        self.offload = False  # whether what a pass keeps for its way back waits in the host's memory
        self.packs = enable(inner)
        if self.packs and not self._agrees(prefix=4):
            self.packs = False
            disable(inner)
        kind = type(inner).__name__
        if not self.packs and ahead(model):
            raise ModelError(f"adapter.kind: {kind} takes no virtual tokens from whet; use adapter.kind=lora")
        if not self.packs and not self._agrees(prefix=0):
            raise ModelError(
                f"model.name: {kind} computes its answers in a way that whet cannot follow; choose another"
            )

    @property
    def config(self) -> Any:
        """The configuration of the language model."""
        return self._inner.config.get_text_config()  # type: ignore[union-attr, operator]

    @property
    def exact(self) -> bool:
        """Whether all products are those of float32."""
        return next(self.model.parameters()).dtype == torch.float32 and not self._autocast

    @property
    def layers(self) -> list[GradientCheckpointingLayer]:
        """The layers whose activations can be computed again instead of kept."""
        return [module for module in self._core.modules() if isinstance(module, GradientCheckpointingLayer)]

    def recompute(self, count: int) -> None:
        """Keep only the inputs of the first `count` layers for the way back; the gradient stays the same to the bit.

        Training Deep Nets with Sublinear Memory Cost (arXiv:1604.06174).
        """
        again = partial(checkpoint, use_reentrant=False)
        for place, layer in enumerate(self.layers):
            layer.gradient_checkpointing = place < count
            layer._gradient_checkpointing_func = again  # type: ignore[assignment]

    @classmethod
    def trained(cls, model: nn.Module, adapter: Adapter, *, seed: int, autocast: bool, steps: int = 0) -> "Policy":
        """Return a policy with the adapter attached (or its own weights set to train) for so many steps."""
        return cls(attach(model, adapter, seed, steps), autocast=autocast)

    def regulariser(self) -> Tensor | None:
        """Return what the adapter adds to the loss of a step, whatever its rows."""
        return regulariser(self.model)

    def _precision(self) -> torch.autocast | nullcontext[None]:
        return torch.autocast(self.device.type, torch.bfloat16) if self._autocast else nullcontext()

    def __call__(self, batch: Batch) -> Outputs:
        """Return the log-probabilities of the tokens that train.

        A batch lies in the host's memory: what goes where is worked out there, so that nothing waits for the device.
        """
        with self._precision(), kept_on_host(self.model) if self.offload else nullcontext():
            said = self._chosen(batch, self.states(batch))
        return Outputs(self._laid(batch, said))

    def temper(self, temperature: float) -> None:
        """Let every log-probability be that of replies drawn at this temperature."""
        self._head.temperature = temperature

    def finished(self) -> nn.Module:
        """Return the language model alone, in evaluation mode; the policy is used up."""
        return self.model.eval()

    def _chosen(self, batch: Batch, states: Tensor) -> Tensor:
        """Return the log-probabilities of the tokens that train. Shapes: (N, H); (N,)."""
        rows, places = (batch.weights > 0).nonzero(as_tuple=True)
        return chosen(states, self._head, self._there(batch.tokens[rows, places]))

    def _laid(self, batch: Batch, numbers: Tensor) -> Tensor:
        """Return a number for each token that trains at the token's place. Shapes: (N,); (B, T)."""
        rows, places = (batch.weights > 0).nonzero(as_tuple=True)
        spread = torch.zeros(batch.tokens.shape, dtype=torch.float32, device=self.device)
        return spread.index_put((self._there(rows), self._there(places)), numbers)

    def states(self, batch: Batch) -> Tensor:
        """Return the last hidden state before each token that trains, row by row. Shapes: (N, H)."""
        rows, places = (batch.weights > 0).nonzero(as_tuple=True)
        with self._precision():
            hidden, before = self.hidden(batch)
        return hidden[self._there(before[rows, places])]

    def log_softmax(self, states: Tensor) -> Tensor:
        """Return the log-probability of every next token after these states. Shapes: (N, H) to (N, V) float32."""
        return self.logits(states).log_softmax(-1)

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits of every next token after these states. Shapes: (N, H) to (N, V) float32."""
        with self._precision():
            return self._head(states)

    def _there(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)

    def work(self, batch: Batch) -> float:
        """Return the floating-point operations of the matrix products of one pass over a batch and back."""
        return self._work.of(batch, packs=self.packs)

    def hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the last hidden states and which of them stands before each token. Shapes: (N, H), (B, T) int64."""
        if not self.packs:
            # Padding is on the right, where a causal model cannot see it from any real token.
            out = self._core(input_ids=self._there(batch.tokens), use_cache=False).last_hidden_state
            return out.flatten(0, 1), torch.arange(-1, batch.tokens.numel() - 1).view_as(batch.tokens)
        flat = flatten(batch)
        ids, places, before, start = self._there(flat.ids), flat.places, flat.before, len(batch.prefix)
        if (tokens := virtual(self.model)) is None:
            layout = Layout(flat.lengths, start, self.device, branches=flat.branches)
        else:
            layout = Led(tokens, flat.lengths, start, self.device, branches=flat.branches)
            ids, before = tokens.embeddings(ids), before + tokens.count
            places = torch.cat([torch.arange(tokens.count), places + tokens.count])
        hidden = states(self._core, ids, self._there(places), layout)
        if not sees_as_configured(self._inner, layout):
            raise NotImplementedError("a window that only transformers' own mask knows of")
        return hidden, before

    def _plainly(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and last hidden states of the model's own forward pass. Shapes: (B, T, V), (B, T, H)."""
        states = list[Tensor]()
        hook = self._core.register_forward_hook(lambda _module, _given, out: states.append(out.last_hidden_state))
        try:
            logits = self.model(input_ids=ids).logits
        finally:
            hook.remove()
        return logits[:, -ids.shape[1] :].float(), states[0][:, -ids.shape[1] :].cpu()  # behind virtual tokens

    @torch.no_grad()
    def _agrees(self, prefix: int) -> bool:
        """Say whether our way gives the log-probabilities of the model's plain forward pass."""
        was_training = self.model.training
        self.model.eval()
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(0, self.config.vocab_size, (3, 12), generator=generator)
        tokens[:, :prefix] = tokens[0, :prefix]
        stem = tokens[1, prefix : prefix + 2 * (prefix > 0)]
        tokens[2, prefix : prefix + len(stem)] = stem
        starts = prefix + len(stem) * torch.tensor([0, 1, 1])
        lengths = torch.tensor([12, 9, 9]) - starts
        places = torch.arange(12 - prefix)
        own = (starts[:, None] + places).clamp(max=11)
        weights = ((places > 0) & (places < lengths[:, None])).float()
        stems = (Stem(stem, (1, 2)),) if prefix else ()
        batch = Batch(tokens[0, :prefix], tokens.gather(1, own), weights, lengths, stems)
        rows, at = (weights > 0).nonzero(as_tuple=True)
        try:
            ours = Policy.__call__(self, batch).logprobs[:, 1:].cpu()
            with self._precision():
                logits, theirs = self._plainly(tokens.to(self.device))
                hidden, before = self.hidden(batch)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError):
            return False
        finally:
            self.model.train(was_training)
        said = logits[:, :-1].log_softmax(-1).cpu().gather(-1, tokens[:, 1:, None])[..., 0]  # of tokens 1 to 11
        plain = said.gather(1, own[:, 1:] - 1) * weights[:, 1:]
        # In bfloat16 rounding moves the log-probability of a random token by as much as a wrong place does: there,
        # hidden states tell right (2 % off, after long training too) from wrong (10 % for one place).
        theirs = theirs[rows, own[rows, at] - 1].float()
        off = (hidden.cpu()[before[rows, at]].float() - theirs).norm(dim=-1) / theirs.norm(dim=-1)
        nats, share = (1e-3, 1e-3) if self.exact else (1.0, 0.05)
        return torch.allclose(ours, plain, atol=nats) and float(off.mean()) < share
