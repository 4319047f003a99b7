"""How far tuning moved what is said next, beside plain transformers."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from whet.config.tree import Adapter
from whet.evals.divergence import divergences
from whet.models.adapt import trainable
from whet.models.policy import Policy
from whet.types import Tokens


def row(*ids, begin=1):
    return Tokens(ids, tuple(float(at >= begin) for at in range(len(ids))))


ROWS = [row(5, 6, 7, 8), row(5, 6, 9), row(40, 41, 42, 43, 44, 45, begin=3)]


def plain(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)


def test_the_divergence_of_each_row_is_that_of_plain_transformers(tiny):
    policy = Policy.trained(AutoModelForCausalLM.from_pretrained(tiny), Adapter(r=4), seed=0, autocast=False)
    policy.model.eval()
    base = AutoModelForCausalLM.from_pretrained(tiny).eval()
    assert divergences(policy, policy, ROWS) == pytest.approx([0, 0, 0], abs=1e-6)  # a fresh adapter adds nothing
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in trainable(policy.model).values():
            weight.normal_(std=0.1)
    found = divergences(policy, policy, ROWS)
    for told, one in zip(found, ROWS, strict=True):
        was, now = plain(base, one.ids), plain(policy.model, one.ids)
        wanted = (was.exp() * (was - now)).sum(-1)[[at - 1 for at, weight in enumerate(one.weights) if weight]].mean()
        assert told == pytest.approx(float(wanted), rel=1e-4)
    assert min(found) > 1e-3


def test_a_row_that_stands_twice_is_read_once_and_two_models_can_be_compared(tiny):
    model, other = AutoModelForCausalLM.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny)
    with torch.no_grad():
        other.model.norm.weight.mul_(2)
    read = []
    found = divergences(Policy(other), Policy(model), [ROWS[0], ROWS[0]], done=read.append)
    assert found[0] == found[1] > 0.1
    assert sum(read) == 1
