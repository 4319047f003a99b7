"""A language model that also says what it expects: a scalar beside its own head."""

from contextlib import nullcontext

import torch
from torch import nn

from whet.config.tree import Adapter
from whet.models.adapt import attach
from whet.models.batch import Batch
from whet.models.offload import kept_on_host
from whet.models.policy import Outputs, Policy

HEAD = "value"


class Valuing(Policy):
    """A policy that gives the state before each token that trains a value, 0 before it has learned any.

    The value is a linear map of the hidden state from which the token is drawn, so both come from one pass.
    """

    def __init__(self, model: nn.Module, *, autocast: bool = False) -> None:
        super().__init__(model, autocast=autocast)
        width = int(self.config.hidden_size)
        self.value = nn.Linear(width, 1, device=self.device, dtype=torch.float32)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        model.add_module(HEAD, self.value)

    @classmethod
    def trained(cls, model: nn.Module, adapter: Adapter, *, seed: int, autocast: bool, steps: int = 0) -> "Valuing":
        """Return such a policy with the adapter attached (or its own weights set to train) for so many steps."""
        return cls(attach(model, adapter, seed, steps), autocast=autocast)

    def __call__(self, batch: Batch) -> Outputs:
        """Return the log-probabilities of the tokens that train and the values before them."""
        with self._precision(), kept_on_host(self.model) if self.offload else nullcontext():
            states = self.states(batch)
            said = self._chosen(batch, states)
        values = self.value(states.float())[:, 0]
        return Outputs(self._laid(batch, said), self._laid(batch, values))

    def finished(self) -> nn.Module:
        """Return the language model alone, in evaluation mode; the policy is used up."""
        delattr(self.model, HEAD)
        return self.model.eval()
