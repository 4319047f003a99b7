"""Using a finished model from the command line: chat, generate, evaluate, and export."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from whet.cli.progress import Shown, out, out_json
from whet.config.places import remote
from whet.config.tree import Config
from whet.data.form import Form
from whet.data.prompts import read_prompts
from whet.engines.open import about_of
from whet.errors import EndpointError, Interrupted, ModelError, RunError, UsageError
from whet.evals.evaluate import ask
from whet.models.export import check_base, export_merged, read_about
from whet.models.load import check_folder
from whet.models.source import Base, usable
from whet.models.start import base_name, start_from
from whet.runs.run import Run, replace_whole
from whet.runs.store import find
from whet.train.stop import on_signals
from whet.tune.card import card
from whet.tune.several import Model, opened
from whet.tune.wordings import instructed
from whet.types import Message, Prompt, Sampling


def chat(model: str, sampling: Sampling, system: str | None) -> None:
    """Answer what is typed, remembering the conversation; what cannot be answered is said and forgotten."""
    show = Shown()
    answering = opened(model_named(model), Config(), show)
    instruction = system if system is not None else answering.instruction
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
            messages = (*asked, Message("assistant", _streamed(answering, asked, sampling, show)))
        except UnicodeDecodeError as error:
            show.say(f"not answered: the line is not UTF-8 (byte {error.start + 1}); type it again")
        except (UsageError, ModelError, EndpointError) as error:
            show.say(f"not answered: {error}; type something else, or an empty line to begin anew")


def _streamed(answering: Model, asked: tuple[Message, ...], sampling: Sampling, show: Shown) -> str:
    said = []
    for delta in answering.engine.stream(Prompt(asked), sampling):
        said.append(delta.text)
        sys.stdout.write(delta.text)
        sys.stdout.flush()
        if delta.finish == "length":
            show.say(f" [stopped at {sampling.max_tokens} tokens]")
    sys.stdout.write("\n")
    return "".join(said)


def model_named(name: str) -> str:
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
    about, notes = about_of(model_named(model)), list[str]()
    asked = read_prompts(source, Form.of(about.get("rows")), notes, instruct=not about)
    if target.exists() and not remote(source) and target.resolve() == Path(source).resolve():
        raise UsageError(f"--output {target}: is the input file; choose another")
    if target.is_dir() or not target.name:
        raise UsageError(f"--output {target}: is a folder; name a file to write, such as {target / 'replies.jsonl'}")
    part = target.with_name(f"{target.name}.part")
    with on_signals() as stop, Shown() as show:
        for note in notes:
            show.say(note)
        answering = opened(model_named(model), Config(), show)
        asked = [replace(prompt, targets=()) for prompt in asked]
        asked = [instructed(prompt, answering.instruction) for prompt in asked]

        def pause() -> None:
            if stop.asked:
                raise Interrupted(f"stopped on request; the replies so far are in {part}. The same command goes on")

        answering.engine.between = pause
        show.begin("answering", len(asked))
        replies = ask(answering.engine, asked, sampling, show, part, about=answering.weights)
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


def export(name: str, target: Path) -> None:
    """Write one plain model, with what it was trained with and a card."""
    run = find(name)
    folder = run.path / "model"
    if run.said("run.json", "kind") == "stages":  # its model is that of its last stage that made one
        folder = folder.resolve()
        run = Run(folder.parent)
    about = read_about(folder)
    if not {"base", "kind"} <= set(about):
        raise RunError(f"{run.path}: no finished model; continue it with `whet resume {run.path}`")
    if about["kind"] == "full":
        raise UsageError(f"{run.path}: all weights were trained, so {folder} is already one plain model")
    base = start_from(base_name(folder, about), Shown().say)
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
