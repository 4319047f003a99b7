"""What PEFT is told of each kind of adapter."""

from typing import Any

from peft import (
    AdaLoraConfig,
    IA3Config,
    LoraConfig,
    OFTConfig,
    PeftConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    PromptTuningInit,
    VeraConfig,
)
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING

from whet.config.tree import Adapter
from whet.errors import UsageError
from whet.models.which import LAST_OF_LAYER, targets

TASK = "CAUSAL_LM"


def described(inner: Any, adapter: Adapter, steps: int) -> PeftConfig:
    """Return PEFT's configuration of an adapter for a causal model that is to train for so many steps.

    Raises:
        UsageError: a module or a layer that the model does not have.
    """
    if adapter.kind == "prompt":
        return PromptTuningConfig(
            task_type=TASK, num_virtual_tokens=adapter.ahead, prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB
        )
    if adapter.kind == "prefix":
        return PrefixTuningConfig(task_type=TASK, num_virtual_tokens=adapter.ahead)
    if adapter.kind == "ia3":
        maps = targets(inner, adapter, _scaled_by_ia3(inner, adapter))
        return IA3Config(task_type=TASK, target_modules=maps, feedforward_modules=LAST_OF_LAYER)
    maps = targets(inner, adapter)
    if adapter.kind == "vera":
        return VeraConfig(task_type=TASK, target_modules=maps, r=adapter.rank, vera_dropout=adapter.dropout)
    if adapter.kind == "oft":
        block = adapter.block or 32
        return OFTConfig(task_type=TASK, target_modules=maps, oft_block_size=block, module_dropout=adapter.dropout)
    low = {"task_type": TASK, "target_modules": maps, "lora_alpha": adapter.alpha, "lora_dropout": adapter.dropout}
    if adapter.kind == "adalora":
        return AdaLoraConfig(**low, **ranks(adapter.rank, steps))  # type: ignore[arg-type]
    init: Any = True if adapter.init in (None, "default") else adapter.init
    return LoraConfig(
        **low,  # type: ignore[arg-type]
        r=adapter.rank,
        bias="none",
        use_rslora=bool(adapter.rslora),
        use_dora=adapter.kind == "dora",
        init_lora_weights=init,
    )


def ranks(average: int, steps: int) -> dict[str, int]:
    """Return how AdaLoRA's ranks fall to that average: from one and a half times it, over the middle of the training.

    The first tenth keeps all and the second half keeps what is left.

    Source: Zhang et al. 2023, arXiv:2303.10512, section 3.3 and the settings of its appendix.
    """
    steps = max(steps, 2)  # a single step comes to no allotment
    return {
        "target_r": average, "init_r": max(average + 1, average * 3 // 2), "tinit": steps // 10,
        "tfinal": min(steps // 2, steps - 2 - steps // 10), "deltaT": max(1, steps // 100), "total_step": steps,
    }  # fmt: skip


def _scaled_by_ia3(inner: Any, adapter: Adapter) -> list[str] | None:
    """Return the ends of the names that (IA)^3 scales: keys, values and what leaves a feed-forward block."""
    known = TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(inner.config.get_text_config().model_type)
    if not known and not adapter.modules:
        kind = type(inner).__name__
        raise UsageError(f"adapter.modules: which linear maps ia3 scales is not known of {kind}; name them")
    return known
