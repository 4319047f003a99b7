"""A language model with a scalar head in the place of its own: it scores a conversation by its last token."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from whet.config.tree import Adapter
from whet.errors import ModelError
from whet.models.adapt import attach, causal, learned, merged
from whet.models.batch import Batch
from whet.models.load import load
from whet.models.offload import kept_on_host
from whet.models.policy import Outputs, Policy
from whet.types import Tokens

HEAD = "score"  # what transformers calls it


class Scoring(Policy):
    """A policy that gives each row a value: a linear map of the hidden state of its last token but one.

    The last token of a row is a mark that says where to look; it is the only one of weight, and nothing sees it.
    """

    def __init__(self, model: nn.Module, *, autocast: bool = False, seed: int = 0) -> None:
        super().__init__(model, autocast=autocast)
        width = int(self.config.hidden_size)
        torch.manual_seed(seed)
        self.score = nn.Linear(width, 1, bias=False, device=self.device, dtype=torch.float32)
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(width + 1))  # Stiennon et al. 2020, arXiv:2009.01325
        model.add_module(HEAD, self.score)

    @classmethod
    def trained(cls, model: nn.Module, adapter: Adapter, *, seed: int, autocast: bool, steps: int = 0) -> "Scoring":
        """Return a scoring policy with the adapter attached (or its own weights set to train) for so many steps."""
        return cls(attach(model, adapter, seed, steps), autocast=autocast, seed=seed)

    def __call__(self, batch: Batch) -> Outputs:
        """Return the value of each row. Shapes: values (B,) float32."""
        with kept_on_host(self.model) if self.offload else nullcontext():
            states = self.states(batch).float()
        return Outputs(states.new_zeros(0), self.score(states)[:, 0])


def write_scoring(policy: Scoring, adapter: Adapter, base: Path, folder: Path, pad: int, probe: Tensor) -> None:
    """Write a model that plain transformers loads as `AutoModelForSequenceClassification`, and make sure that it does.

    The adapter is folded into float32 weights. `pad` is a token that ends no conversation, as transformers scores the
    last token that is not padding.

    Shapes: probe (T,) int64, a conversation.

    Raises:
        ModelError: transformers has no scalar head for this architecture, or the written model scores differently.
    """
    cpu = torch.device("cpu")
    whole = load(base, torch.float32, cpu)
    if adapter.kind != "full":
        whole = attach(whole, adapter, 0)
    known = {name: value.detach().float().cpu() for name, value in learned(policy.model).items()}
    head = known.pop(f"{HEAD}.weight")
    if strange := whole.load_state_dict(known, strict=False).unexpected_keys:
        raise ModelError(f"{folder}: {strange[0]} has no place in the base model")
    plain = causal(merged(whole))
    config: Any = AutoConfig.from_pretrained(base, num_labels=1, pad_token_id=pad)
    try:
        kind: Any = AutoModelForSequenceClassification
        scorer = kind.from_config(config, dtype=torch.float32).eval()
        core = getattr(scorer, scorer.base_model_prefix)
        core.load_state_dict(getattr(plain, scorer.base_model_prefix).state_dict())
        getattr(scorer, HEAD).weight.data.copy_(head)
    except (ValueError, AttributeError, RuntimeError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"model.name: transformers has no scalar head for {type(plain).__name__}: {what}") from None
    state = {name: value.detach().contiguous() for name, value in scorer.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(base / "config.json", folder / "config.json")
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    said |= {
        "architectures": [type(scorer).__name__], "pad_token_id": pad, "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0}, "dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    with torch.no_grad():
        got = AutoModelForSequenceClassification.from_pretrained(folder).eval()(input_ids=probe[None]).logits
        wanted = head @ getattr(plain, scorer.base_model_prefix)(input_ids=probe[None]).last_hidden_state[0, -1]
    if not torch.allclose(got.flatten(), wanted.flatten(), atol=1e-3):
        raise ModelError(f"{folder}: the written model scores {float(got):.4f} where {float(wanted):.4f} is right")


@torch.inference_mode()
def scores(
    folder: Path, rows: Sequence[Tokens], between: Callable[[], None], done: Callable[[float], None]
) -> list[float]:
    """Return what a written model gives each conversation, as plain transformers computes it.

    `between` is called before every row and may raise; `done` is told how many were scored.
    """
    kind: Any = AutoModelForSequenceClassification
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for row in rows:
        between()
        found.append(float(model(input_ids=torch.tensor([row.ids])).logits))
        done(1)
    return found


class RewardModel:
    """A written model that scores conversations, many at a time and without gradients.

    Args:
        folder: what `write_scoring` wrote.
        device: where to compute; the weights are float32.

    Raises:
        ModelError: there is no such model in the folder.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        kind: Any = AutoModelForSequenceClassification
        try:
            self._model = kind.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False).to(device)
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder}: cannot be loaded as a reward model: {str(error).splitlines()[0]}") from None
        self._device, self._pad = device, int(self._model.config.pad_token_id)

    @torch.inference_mode()
    def values(self, rows: Sequence[Sequence[int]], tokens: int = 4096) -> list[float]:
        """Return what the model gives each conversation; rows of like length are computed together.

        Units: `tokens` of a batch at most, padding included, unless a row alone has more.
        """
        found = dict[int, float]()
        waiting = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        while waiting:
            longest = len(rows[waiting[-1]])
            group, waiting = waiting[-max(1, tokens // longest) :], waiting[: -max(1, tokens // longest)]
            ids = torch.full((len(group), longest), self._pad)
            for at, row in enumerate(group):
                ids[at, : len(rows[row])] = torch.tensor(rows[row])
            there = torch.tensor([[float(place < len(rows[row])) for place in range(longest)] for row in group])
            given = {"input_ids": ids.to(self._device), "attention_mask": there.long().to(self._device)}
            values = self._model(**given).logits[:, 0].float().tolist()
            found.update(zip(group, values, strict=True))
        return [found[at] for at in range(len(rows))]
