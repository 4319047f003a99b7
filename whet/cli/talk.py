"""Using a finished model from the command line: chat, generate, evaluate, and export."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from whet.cli.progress import Shown, measured, out, out_json
from whet.config.load import load
from whet.config.places import remote
from whet.config.tree import Config
from whet.data.form import Form
from whet.data.preflight import instruction_for, with_instruction
from whet.data.prompts import read_prompts
from whet.data.read import read
from whet.data.split import content_hash, draw_prompts, prompts
from whet.engines.open import Opened, about_of, open_model
from whet.errors import DataError, Interrupted, ModelError, Problem, RunError, UsageError
from whet.evals.evaluate import ask, score
from whet.models.export import check_base, export_merged, read_about
from whet.models.load import check_folder
from whet.models.source import Base, resolve, usable
from whet.runs.looks import look
from whet.runs.run import Run, replace_whole
from whet.runs.store import find
from whet.train.stop import on_signals
from whet.tune import compare
from whet.tune.card import card
from whet.types import Chat, Message, Prompt, Sampling


def chat(model: str, sampling: Sampling, system: str | None) -> None:
    """Answer what is typed, remembering the conversation; what cannot be answered is said and forgotten."""
    show = Shown()
    opened = open_model(_model(model), say=show.say)
    instruction = system if system is not None else opened.instruction
    opening = (Message("system", instruction),) if instruction else ()
    messages = opening
    if sys.stdin.isatty():
        show.say("type a message; an empty line begins a new conversation, Ctrl-D ends")
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        typed = sys.stdin.buffer.readline()
        if not typed:
            return
        try:
            line = typed.decode("utf-8").rstrip("\r\n")
            if not line.strip():
                messages = opening
                continue
            asked = (*messages, Message("user", line))
            messages = (*asked, Message("assistant", _streamed(opened, asked, sampling, show)))
        except UnicodeDecodeError as error:
            show.say(f"not answered: the line is not UTF-8 (byte {error.start + 1}); type it again")
        except (UsageError, ModelError) as error:
            show.say(f"not answered: {error}; type something else, or an empty line to begin anew")


def _streamed(opened: Opened, asked: tuple[Message, ...], sampling: Sampling, show: Shown) -> str:
    said = []
    for delta in opened.engine.stream(Prompt(asked), sampling):
        said.append(delta.text)
        sys.stdout.write(delta.text)
        sys.stdout.flush()
        if delta.finish == "length":
            show.say(f" [stopped at {sampling.max_tokens} tokens]")
    sys.stdout.write("\n")
    return "".join(said)


def _model(name: str) -> str:
    """Return the folder of the run of that name, or the name itself where it means a model."""
    try:
        return str(find(name).path)
    except RunError:
        pass
    try:
        Path(name).stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"model.name: {name[:60]!r} is no name of a model: {why}") from None
    return name


def generate(model: str, source: str, target: Path, sampling: Sampling) -> None:
    """Answer every prompt of a file. Replies are kept as they come: the same command goes on where it was stopped."""
    about, notes = about_of(_model(model)), list[str]()
    asked = read_prompts(source, Form.of(about.get("rows")), notes, instruct=not about)
    if target.exists() and not remote(source) and target.resolve() == Path(source).resolve():
        raise UsageError(f"--output {target}: is the input file; choose another")
    if target.is_dir() or not target.name:
        raise UsageError(f"--output {target}: is a folder; name a file to write, such as {target / 'replies.jsonl'}")
    part = target.with_name(f"{target.name}.part")
    with on_signals() as stop, Shown() as show:
        for note in notes:
            show.say(note)
        opened = open_model(_model(model), say=show.say)
        asked = [replace(prompt, targets=()) for prompt in asked]
        if opened.instruction:
            asked = [_instructed(prompt, opened.instruction) for prompt in asked]

        def pause() -> None:
            if stop.asked:
                raise Interrupted(f"stopped on request; the replies so far are in {part}. The same command goes on")

        opened.engine.between = pause
        show.begin("answering", len(asked))
        replies = ask(opened.engine, asked, sampling, show, part, about=_weights(_model(model), opened))
    lines = [
        json.dumps(
            {
                "messages": [
                    *(m.as_dict() for m in asked[at].messages),
                    {"role": "assistant", "content": replies[at].text},
                ],
                "finish": replies[at].finish,
                "source": asked[at].source,
            },
            ensure_ascii=False,
        )
        for at in range(len(asked))
    ]
    replace_whole(target, "\n".join(lines) + "\n")
    part.unlink(missing_ok=True)
    cut = sum(reply.finish == "length" for reply in replies)
    show.say(f"{len(lines):,} replies in {target}" + (f"; {cut:,} reached --max-tokens" if cut else ""))


def _weights(model: str, opened: Opened) -> str:
    """Return what tells these weights from others: their files, sizes and times."""
    folders = {opened.base_folder, Path(model), Path(model) / "model"}
    files = sorted(file.resolve() for folder in folders for file in folder.glob("*.safetensors"))
    return repr([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])


def _instructed(prompt: Prompt, instruction: str) -> Prompt:
    if prompt.messages and prompt.messages[0].role == "system":
        return prompt
    return replace(prompt, messages=(Message("system", instruction), *prompt.messages))


HEARD = {
    "model": {"dtype", "device", "quantize"},
    "data": {"shape", "columns", "instruction", "reasoning", "coerce", "group", "time"},
    "eval": {"limit", "scorers", "choose", "max_tokens", "resamples", "confidence"},
}
"""The settings that have a say in `whet evaluate`."""
INSTEAD = {"model.name": "the model is what is named first", "data.limit": "eval.limit is how many questions are asked"}


def _heard(overrides: Sequence[str]) -> Config:
    """Return the settings of an evaluation.

    Raises:
        UsageError: settings that have no say in one. ConfigError: as `load`.
    """
    config = load(None, overrides)
    given = config.model_dump(exclude_unset=True)
    keys = [(name, leaf) for name, section in given.items() for leaf in (section if isinstance(section, dict) else ())]
    deaf = [f"{name}.{leaf}" for name, leaf in keys if leaf not in HEARD.get(name, ())]
    if deaf:
        lines = [f"{key}: has no say in evaluate; {INSTEAD.get(key, 'leave it out')}" for key in deaf]
        raise UsageError("\n".join(lines))
    return config


def evaluate(model: str, data: str, overrides: Sequence[str], as_json: bool) -> None:
    """Score a model on a file of questions and answers; a base model is asked as `tune` asks it."""
    from whet.tune.contenders import base_prompts  # loads bm25s, which nobody else here needs

    config = _heard(overrides)
    dataset = read(data, config.data, "test")
    with Shown() as show:
        opened = open_model(_model(model), config.model, show.say)
        known = [str(label) for label in opened.about.get("labels", [])] or list(dataset.labels)
        instruction = config.data.instruction
        if opened.about:
            instruction = opened.instruction if instruction is None else instruction
        else:
            instruction = instruction_for(instruction, bool(dataset.labels))
        examples = [with_instruction(row, instruction) for row in dataset.examples if isinstance(row, Chat)]
        asked = draw_prompts(prompts(examples), config.eval.limit)
        if not asked:
            raise DataError([Problem(data, 0, "no question with an answer; raw text cannot be scored this way")])
        asked = asked if opened.about else base_prompts(known, asked)
        targets = [target for prompt in asked for target in prompt.targets]
        scorers = compare.scorers_for(config.eval, targets, known)
        for note in compare.unseen(asked, known) if known else ():
            show.say(note)
        longest = max(len(opened.engine.renderer.encode(target)) for target in targets)
        max_tokens = config.eval.max_tokens or 8 * math.ceil((longest + 1) / 8)
        show.begin("asking", len(asked))
        sampling = Sampling(max_tokens=max_tokens, choices=compare.choices(config.eval, known))
        answers = score(asked, ask(opened.engine, asked, sampling, show), scorers)
        if remark := look(map(content_hash, examples), _weights(_model(model), opened)):
            show.say(remark)
    found = compare.metrics(answers, known, config.eval, config.seed)
    for name, value in found.items():
        if not as_json:
            out(f"{name} {measured(value, 4)}, {len(answers)} questions")
    if as_json:
        out_json({"model": model, "data": data, "rows": len(answers), "metrics": found})


def export(name: str, target: Path) -> None:
    """Write one plain model, with what it was trained with and a card."""
    run = find(name)
    folder = run.path / "model"
    about = read_about(folder)
    if not {"base", "kind"} <= set(about):
        raise RunError(f"{run.path}: no finished model; continue it with `whet resume {run.path}`")
    if about["kind"] == "full":
        raise UsageError(f"{run.path}: all weights were trained, so {folder} is already one plain model")
    base = resolve(str(about["base"]), Shown().say)
    check_base(base.folder, about)
    worst = export_merged(base.folder, folder, target, about.get("quantize"))
    replace_whole(target / "README.md", card(_report(run, base, about), merged=target.resolve().name))
    Shown().say(f"{target}: loads in plain transformers; logits differ from base + adapter by at most {worst:.2g}")


def _report(run: Run, base: Base, about: dict[str, Any]) -> dict[str, Any]:
    """Return the run's report, or as much of one as is known of a run that was only trained."""
    if (run.path / "report.json").is_file():
        found: dict[str, Any] = run.read_json("report.json")
        return found
    known = {"name": base.name, "origin": base.origin, "public_name": base.public_name}
    data = {key: about[key] for key in ("instruction", "longest") if about.get(key)}
    return {"run": str(run.path), "base": known, "data": data, "environment": run.read_json("run.json")["environment"]}


def models(as_json: bool) -> None:
    """List usable base models."""
    rows: list[dict[str, Any]] = []
    for base in usable():
        files = list(base.folder.glob("*.safetensors")) if base.folder.is_dir() else []
        size = sum(file.stat().st_size for file in files)
        try:
            kind = check_folder(base.folder)["model_type"] if files else None
        except ModelError:
            continue  # an adapter, or a model that whet would refuse
        rows.append(
            {
                "name": base.name,
                "bytes": size,
                "architecture": kind,
                "origin": base.origin,
                "public_name": base.public_name,
            }
        )
    if as_json:
        out_json(rows)
        return
    for row in rows:
        shown = f"{row['bytes'] / 2**20:,.0f} MiB" if row["bytes"] else "-"
        out(f"{row['name']}  {shown}  {row['origin']}  ({row['public_name']})")
    Shown().say("also: any hub id (org/name@revision), any local folder of safetensors, any .gguf file")
