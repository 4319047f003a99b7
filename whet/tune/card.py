"""The model card of a run: README.md with the front matter that the Hugging Face hub reads."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from whet.data.trail import sentences
from whet.pages.words import clean, number
from whet.tune.page import (
    LOWER,
    STATUS,
    commands,
    comparison_rows,
    duration,
    headline,
    interval,
    level,
    test_set,
)

LICENSES = frozenset(
    ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
     "cc0-1.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "bigscience-openrail-m", "llama2",
     "llama3", "llama3.1", "llama3.2", "llama3.3", "gemma", "unlicense", "other")
)  # fmt: skip
"""Identifiers the hub accepts as they are; any other license is passed on by its name."""

_MARKS = re.compile(r"([\\`*\[\]|~$#!{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")

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
_TEXT = """\
inputs = tokenizer("...", return_tensors="pt")
"""


def card(report: Mapping[str, Any]) -> str:
    """Return the model card of a run; the same report gives the same card."""
    report = clean(report)
    status, sentence = headline(report)
    name = str(report.get("run") or "RUN").rstrip("/").rsplit("/", 1)[-1]
    parts = [
        f"---\n{_front_matter(report)}---",
        f"# {_inline(name)}",
        f"**{STATUS.get(status, 'No verdict')}.** {_inline(sentence)}",
        "## Intended use", _intended(report),
        "## Training data", _training_data(report),
        "## Results", _results(report),
        "## Limits", _limits(report),
        "## How to load", _loading(report),
        "## Environment", _environment(report),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(report: Mapping[str, Any]) -> str:
    base = report.get("base") or {}
    full = _is_full(report)
    fields: dict[str, Any] = {}
    if base.get("public_name") or base.get("name"):
        fields["base_model"] = str(base.get("public_name") or base["name"])
        fields["base_model_relation"] = "finetune" if full else "adapter"
    fields["library_name"] = "transformers" if full else "peft"
    fields["pipeline_tag"] = "text-generation"
    fields["tags"] = ["whet", "sft", *([] if full else ["lora"])]
    known = str(base.get("license") or "")
    if known.lower() in LICENSES:
        fields["license"] = known.lower()
    elif known:
        fields |= {"license": "other", "license_name": known}
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=10_000)


def _intended(report: Mapping[str, Any]) -> str:
    base, data = report.get("base") or {}, report.get("data") or {}
    origin = base.get("public_name") or base.get("name") or "a base model"
    what = "continue text" if data.get("shape") == "text" else "answer questions"
    text = (
        f"{_inline(origin)}, tuned to {what} like those of the training data below. "
        "The results speak of such data only."
    )
    if base.get("license"):
        text += f" The base model's license is {_inline(base['license'])}; the training data may have another."
    return text


def _training_data(report: Mapping[str, Any]) -> str:
    data, training = report.get("data") or {}, report.get("training") or {}
    sides = [f"{number(count, 0)} {_inline(side)}" for side, count in (data.get("rows") or {}).items()]
    said = [
        f"Rows: {', '.join(sides)}." if sides else "",
        f"Read as: {_inline(data['shape'])}." if data.get("shape") else "",
        f"Optimizer steps: {number(training['steps'], 0)}." if training.get("steps") else "",
        f"Tokens seen in training: {number(training['tokens'], 0)}." if training.get("tokens") else "",
        _inline(training.get("curve") or ""),
        *(_inline(note) for note in data.get("notes") or ()),
    ]
    files = [(path, digest) for path, digest in (data.get("files") or {}).items()]
    instruction = str(data.get("instruction") or "")
    made = [line for trail in (data.get("trails") or {}).values() for line in sentences(trail)]
    parts = [
        _bullets(said),
        _table(("File", "SHA-256"), files) if files else "",
        f"What they were made from:\n\n{_fenced(chr(10).join(made))}" if made else "",
        f"Instruction, put first where a row has none of its own:\n\n{_fenced(instruction)}" if instruction else "",
    ]
    return "\n\n".join(filter(None, parts)) or "Not recorded."


def _results(report: Mapping[str, Any]) -> str:
    who: dict[str, Any] = report.get("contenders") or {}
    if not who:
        return "No contender was measured."
    metrics = list(dict.fromkeys(name for one in who.values() for name in one.get("metrics") or {}))
    metrics.sort(key=lambda name: name != report.get("decides"))
    heads = [f"{name} ({'lower' if name in LOWER else 'higher'} is better)" for name in metrics]
    rows = []
    for name, one in who.items():
        found = [(one.get("metrics") or {}).get(metric) or {} for metric in metrics]
        median = duration((one.get("seconds_per_answer") or {}).get("median"))
        rows.append((name, *(_with_interval(figures) for figures in found), median))
    parts = [
        f"In brackets: the {level(report)}.",
        _table(("Contender", *heads, "Median time an answer"), rows),
        *(_remarks(name, one) for name, one in who.items() if one.get("remarks")),
    ]
    compared = comparison_rows(report)
    if compared:
        keys = ("metric", "against", "difference", "interval", "p", "mcnemar", "least", "rows", "reading")
        titles = (
            "Metric", "Tuned against", "Difference", level(report).capitalize(), "p", "McNemar p",
            "Smallest effect it could show", "Questions", "Reading",
        )  # fmt: skip
        parts += [
            "A difference above 0 favors the tuned model, for log_loss too.",
            _table(titles, [[row[key] for key in keys] for row in compared]),
        ]
    return "\n\n".join(parts)


def _remarks(name: str, one: Mapping[str, Any]) -> str:
    return f"{_inline(name)}: " + "; ".join(_inline(remark) for remark in one["remarks"])


def _limits(report: Mapping[str, Any]) -> str:
    longest = (report.get("data") or {}).get("longest")
    compared = len(comparison_rows(report)) > 1
    said = [
        _inline(test_set(report)),
        "Only the verdict is a test; the other comparisons are not corrected for their number." if compared else "",
        "Trained and judged once; another seed or another split would give somewhat different numbers.",
        "Not tested: other tasks, languages and sources than those of the test rows; what the base model "
        "could do before and may have lost; safety, bias and truthfulness.",
        f"No training row is longer than {number(longest, 0)} tokens." if longest else "",
    ]
    return _bullets(said)


def _loading(report: Mapping[str, Any]) -> str:
    run, full = str(report.get("run") or "RUN"), _is_full(report)
    data = report.get("data") or {}
    instruction = data.get("instruction")
    first = f'{{"role": "system", "content": {json.dumps(instruction, ensure_ascii=False)}}}, ' if instruction else ""
    package, loader = ("transformers", "AutoModelForCausalLM") if full else ("peft", "AutoPeftModelForCausalLM")
    imports = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer"
        if full
        else f"from peft import {loader}\nfrom transformers import AutoTokenizer"
    )
    options = ""
    if (report.get("base") or {}).get("quantize"):  # an adapter answers as measured on the weights it was trained on
        imports = f"import torch\n{imports.replace('AutoTokenizer', 'AutoTokenizer, BitsAndBytesConfig')}"
        options = ", dtype=torch.float32, quantization_config=nf4"
    code = (
        f"{imports}\n\nfolder = {json.dumps(run + '/model', ensure_ascii=False)}\n"
        + (_NF4 if options else "")
        + f"model = {loader}.from_pretrained(folder{options})\ntokenizer = AutoTokenizer.from_pretrained(folder)\n"
        + (_TEXT if data.get("shape") == "text" else _CHAT.format(system=first))
        + "reply = model.generate(**inputs, max_new_tokens=256, do_sample=False)\n"
        'start = inputs["input_ids"].shape[1]\n'
        "print(tokenizer.decode(reply[0, start:], skip_special_tokens=True))"
    )
    with_whet = "\n".join(commands(report).values())
    return f"With whet:\n\n{_fenced(with_whet, 'sh')}\n\nWith {package}:\n\n{_fenced(code, 'python')}"


def _environment(report: Mapping[str, Any]) -> str:
    made = report.get("environment") or {}
    return _table(("What", "Version"), list(made.items())) if made else "Not recorded."


def _is_full(report: Mapping[str, Any]) -> bool:
    return (report.get("adapter") or {}).get("kind") == "full"


def _with_interval(figures: Mapping[str, Any]) -> str:
    around = interval(figures)
    return number(figures.get("value")) + (f" ({around})" if around else "")


def _table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(cell if line is lines[1] else _inline(cell) for cell in line) + " |" for line in lines
    )


def _bullets(said: Iterable[str]) -> str:
    # A bullet may not begin what its text begins: "- 1. x" would be a list in the list.
    return "\n".join("- " + re.sub(r"^(\d+)([.)])", r"\1\\\2", text) for text in said if text)


def _inline(text: Any) -> str:
    """Return the text so that Markdown shows it as it is, on one line, in a table cell too."""
    line = re.sub(r"\s+", " ", str(text)).strip()
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKS.sub(r"\\\1", line)
    return re.sub(r"^([-+=])(?=\s|$|[-=])", r"\\\1", line)


def _fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
