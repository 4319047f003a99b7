"""How a finished model is loaded, in the words of its card: always with the weights that it was trained on."""

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from whet.config.adapters import VIRTUAL
from whet.pages.markdown import fenced, inline
from whet.tune.page import commands

_CHAT = """\
messages = [{system}{{"role": "user", "content": "..."}}]
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
"""
_NF4 = """\
nf4 = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
)
"""
_SCORES = """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = {folder}
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
messages = [{{"role": "user", "content": "..."}}, {{"role": "assistant", "content": "..."}}]
inputs = tokenizer.apply_chat_template(messages, return_dict=True, return_tensors="pt")
print(float(model(**inputs).logits))  # more is better; only differences between replies to one prompt mean something"""
_TEXT = """\
inputs = tokenizer("...", return_tensors="pt")
"""


def loading(report: Mapping[str, Any], merged: str | None) -> str:
    """Return the section on how to load a run's model, or the plain model in the folder `merged`."""
    run, origin = str(report.get("run") or "RUN"), _origin(report)
    if report.get("method") == "reward":
        says = f"One plain model with a scalar head, its base model ({inline(origin)}) included."
        folder = json.dumps(f"{run}/model", ensure_ascii=False)
        return f"{says}\n\nWith transformers:\n\n{fenced(_SCORES.format(folder=folder), 'python')}"
    if merged:
        says = f"One plain model: the adapter of the run is folded into the base model ({inline(origin)})."
        named = shlex.quote(merged)
        return "\n\n".join((says, *_ways(f"whet chat {named}", _code(report, merged, "transformers"), "transformers")))
    whole = "\n".join(commands(report).values())
    says = f"Base model: {inline(origin)}."
    virtual = (report.get("adapter") or {}).get("kind") in VIRTUAL
    if virtual and not _on_the_hub(report):
        says += (
            " The adapter was trained on these weights, and its virtual tokens cannot be folded into them. PEFT by "
            "itself would look for the base model on the hub: name its folder in adapter_config.json "
            "(base_model_name_or_path)."
        )
    if virtual or is_full(report) or _on_the_hub(report):
        package = "transformers" if is_full(report) else "peft"
        return "\n\n".join((says, *_ways(whole, _code(report, f"{run}/model", package), package)))
    says += (
        " The adapter was trained on these weights. PEFT by itself would look for the base model on the hub, where "
        "they are others or none; `whet export` writes one plain model from those that it was trained on."
    )
    return "\n\n".join((says, *_ways(whole, _code(report, "merged-model", "transformers"), "transformers")))


def _origin(report: Mapping[str, Any]) -> str:
    """Return in words where the base model's weights came from; never where they lie on this machine."""
    base = report.get("base") or {}
    name, origin = str(base.get("public_name") or base.get("name") or "not recorded"), str(base.get("origin") or "")
    if origin == "local directory":
        return f"{name}, from a folder of the one who trained"
    if "package" in origin:
        return f"{name}, from the {origin[origin.index('package') :]}, whose 4-bit weights were unpacked"
    return f"{name}, {origin}" if origin.startswith("converted") else name


def _on_the_hub(report: Mapping[str, Any]) -> bool:
    """Say whether PEFT by itself finds the weights that were trained on: the hub's, in no particular revision."""
    base = report.get("base") or {}
    origin = str(base.get("origin") or "Hugging Face hub")  # reports before it was noted
    return origin.startswith("Hugging Face") and "@" not in str(base.get("name") or "")


def _ways(commands: str, code: str, package: str) -> tuple[str, str]:
    return f"With whet:\n\n{fenced(commands, 'sh')}", f"With {package}:\n\n{fenced(code, 'python')}"


def _code(report: Mapping[str, Any], folder: str, package: str) -> str:
    data = report.get("data") or {}
    instruction = data.get("instruction")
    first = f'{{"role": "system", "content": {json.dumps(instruction, ensure_ascii=False)}}}, ' if instruction else ""
    loader = "AutoModelForCausalLM" if package == "transformers" else "AutoPeftModelForCausalLM"
    imports = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer"
        if package == "transformers"
        else f"from peft import {loader}\nfrom transformers import AutoTokenizer"
    )
    options = ""
    if package == "peft" and (report.get("base") or {}).get("quantize"):
        # An adapter answers as measured on the weights it was trained on.
        imports = f"import torch\n{imports.replace('AutoTokenizer', 'AutoTokenizer, BitsAndBytesConfig')}"
        options = ", dtype=torch.float32, quantization_config=nf4"
    return (
        f"{imports}\n\nfolder = {json.dumps(folder, ensure_ascii=False)}\n"
        + (_NF4 if options else "")
        + f"model = {loader}.from_pretrained(folder{options})\ntokenizer = AutoTokenizer.from_pretrained(folder)\n"
        + (_TEXT if data.get("shape") == "text" else _CHAT.format(system=first))
        + "reply = model.generate(**inputs, max_new_tokens=256, do_sample=False)\n"
        'start = inputs["input_ids"].shape[1]\n'
        "print(tokenizer.decode(reply[0, start:], skip_special_tokens=True))"
    )


def is_full(report: Mapping[str, Any]) -> bool:
    """Say whether every weight was trained."""
    return (report.get("adapter") or {}).get("kind") == "full"


def without_places(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report with every file and folder that it names by its whole path called by its name alone."""
    data, base = report.get("data") or {}, report.get("base") or {}
    files = [*(data.get("files") or {}), *_trail_files(data.get("trails") or {})]
    named = {str(place) for place in (report.get("run"), base.get("name"), *files) if place}
    whole = sorted(place for place in named if PurePath(place).is_absolute() or place.startswith(("~", "file://")))
    names: dict[str, str] = {}
    for place in whole:
        name = PurePath(place).name or place
        alike = sum(PurePath(other).name == name for other in names)
        names[place] = f"{name} ({alike + 1})" if alike else name
    longest_first = sorted(names.items(), key=lambda pair: -len(pair[0]))
    return _renamed(report, longest_first)  # type: ignore[no-any-return]


def _trail_files(value: Any) -> list[str]:
    """Return every file that trails name, at any depth."""
    if isinstance(value, Mapping):
        own = [str(value["file"])] if "file" in value else []
        return own + [file for item in value.values() for file in _trail_files(item)]
    return [file for item in value for file in _trail_files(item)] if isinstance(value, list) else []


def _renamed(value: Any, names: list[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for place, name in names:
            value = value.replace(place, name)
        return value
    if isinstance(value, Mapping):
        return {_renamed(key, names): _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value
