"""`whet data`: look at data before training on it. Never loads torch."""

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whet.cli.progress import Shown, out, out_json

if TYPE_CHECKING:
    from whet.data.read import Stream
    from whet.types import SplitName

app = typer.Typer(no_args_is_help=True, help="Check and look at data.", pretty_exceptions_enable=False)

File = Annotated[str, typer.Argument(metavar="FILE")]  # a URL is no path: pathlib folds its slashes
Base = Annotated[str | None, typer.Option("--base", help="Also render with this model's tokenizer and template.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")]


@app.command()
def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH... [train=PATH] [test=PATH] [KEY=VALUE]...")],
    base: Base = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", help="End with exit code 3 on a finding this grave (note, warning, error) or kind."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the report as a page, with plots.")] = None,
) -> None:
    """Report on data files; every problem and finding names its lines."""
    from whet.config.load import load
    from whet.data.check import check as look
    from whet.data.excerpts import excerpts
    from whet.data.findings import gate
    from whet.data.page import page, refused
    from whet.data.preflight import longest_row
    from whet.data.read import streams
    from whet.errors import DataError
    from whet.pages.target import Target

    files, overrides = _sides(paths)
    wanted = gate(fail_on)
    target = Target(html, "--html") if html else None
    config = load(None, overrides)
    notes: list[str] = []
    try:
        model = None
        if base:
            renderer, context = _renderer(base)
            model = (renderer, config.data, longest_row(config.data, context))
        with ExitStack() as open_files, Shown() as show:
            sides: dict[str, list[Stream]] = {
                side: streams(named, config.data, notes, open_files, side, show) for side, named in files.items()
            }
            report = look(sides, model, processes=os.cpu_count() or 1, show=show)
            report = replace(report, notes=(*notes, *report.notes))
            every = [stream for side in sides.values() for stream in side]
            shown = page(report, excerpts(every, report.findings, show), base) if target else ""
    except DataError as error:
        if as_json:
            found = [{"path": p.path, "line": p.line, "what": p.what} for p in error.problems]
            unknown: dict[str, object] = {"shape": None, "rows": None, "splits": {}, "tokens": {}, "findings": []}
            out_json({"paths": [path for named in files.values() for path in named], **unknown, "problems": found})
        if target:
            target.write(refused(error.problems))
        raise
    if as_json:
        out_json({**report.as_dict(), "problems": []})
    else:
        for sentence in report.sentences():
            out(sentence)
    if target:
        target.write(shown)
        Shown().say(f"the report is also a page: {html}")
    wanted(report.findings)


def _sides(arguments: list[str]) -> tuple[dict["SplitName", list[str]], list[str]]:
    """Return the files of each side and the settings among the arguments."""
    from whet.config.load import is_setting
    from whet.data.place import SPLITS
    from whet.errors import UsageError

    files: dict[SplitName, list[str]] = {}
    overrides = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name in SPLITS:
            if not value:
                raise UsageError(f"{argument} names no file; write {name}=FILE, without a space")
            files.setdefault(SPLITS[name], []).append(value)
        elif is_setting(argument):
            if Path(value).is_file() and "." not in name:
                sides = ", ".join(f"{side}=FILE" for side in dict.fromkeys(SPLITS.values()))
                raise UsageError(f"{argument}: {name!r} is no side; write {sides}, or the file alone")
            overrides.append(argument)
        else:
            files.setdefault("train", []).append(argument)
    if not files:
        raise UsageError("name at least one file, as in `whet data check rows.jsonl` or `train=a.jsonl test=b.jsonl`")
    return files, overrides


@app.command()
def show(
    file: File,
    row: Annotated[int, typer.Option("--row", min=1, help="Which row, counted from 1.")] = 1,
    overrides: Overrides = None,
    base: Base = None,
) -> None:
    """Print one row as the model sees it; what trains is green and underlined."""
    from rich.console import Console
    from rich.text import Text as Rich

    from whet.config.load import load
    from whet.data.preflight import instruction_for, not_lessons, with_instruction
    from whet.data.read import streams
    from whet.errors import DataError, UsageError
    from whet.pages.words import clean
    from whet.types import Chat

    config = load(None, overrides or [])
    with ExitStack() as open_files:
        read = streams([file], config.data, [], open_files)
        examples = [example for stream in read for example in stream]
    if row > len(examples):
        raise UsageError(f"--row {row}: {file} has {len(examples):,} rows")
    if why := not_lessons(file, read[0].shape, examples[0]):
        raise DataError([why])
    renderer, _ = _renderer(base or config.model.name)
    console = Console(highlight=False, soft_wrap=True)
    labelled = any(isinstance(example, Chat) and example.label is not None for example in examples)
    example = with_instruction(examples[row - 1], instruction_for(config.data.instruction, labelled))
    for tokens in renderer.render(example, config.data.train_on):
        said = Rich()
        for trains, text in renderer.spans(tokens):
            said.append(clean(text), "bold green underline" if trains else "dim")
        console.print(said)
        Shown().say(f"{tokens.source}: {len(tokens.ids):,} tokens, {tokens.trained:,} train (green and underlined)")


@app.command()
def fix(
    file: File,
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option("--out", help="Write the repaired rows here (.jsonl).")] = None,
    drop: Annotated[str, typer.Option("--drop", help="Kinds of findings whose rows are left out, with commas.")] = "",
    redact: Annotated[bool, typer.Option("--redact", help="Put placeholders for personal data and secrets.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Put damaged text right.")] = False,
    trim: Annotated[bool, typer.Option("--trim", help="Remove white space around texts.")] = False,
    most_per_label: Annotated[int | None, typer.Option("--most-per-label", min=1, help="Keep at most so many.")] = None,
) -> None:
    """Repair a data file as asked: prints the plan; with --out also does it. Nothing is overwritten."""
    from whet.config.load import load
    from whet.data.fix import Wanted, plan, write
    from whet.errors import UsageError

    kinds = tuple(kind.strip() for kind in drop.split(",") if kind.strip())
    wanted = Wanted(kinds, redact, repair, trim, most_per_label)
    if wanted == Wanted():
        raise UsageError("say what to repair: --drop KINDS, --redact, --repair, --trim or --most-per-label N")
    with Shown() as show:
        made = plan(file, load(None, overrides or []).data, wanted, show)
    for sentence in made.sentences():
        out(sentence)
    if output is None:
        Shown().say("this is the plan; add --out FILE.jsonl to carry it out")
        return
    with Shown() as show:
        record = write(made, output, show)
    Shown().say(f"written to {output}; every change is in {record}")


@app.command()
def convert(
    file: File,
    to: Annotated[str, typer.Option("--to", help="The shape to write: see `whet data shapes`.")],
    output: Annotated[Path, typer.Option("--out", help="Write here (.jsonl, .json, .csv, .tsv).")],
    overrides: Overrides = None,
) -> None:
    """Write a data file in another shape, read it back and compare. Nothing is overwritten."""
    from whet.config.load import load
    from whet.data.convert import convert as carry

    with Shown() as show:
        notes = carry(file, to, output, load(None, overrides or []).data, show)
    for note in notes:
        Shown().say(note)


@app.command()
def split(
    file: Annotated[str, typer.Argument(metavar="PATH")],
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option("--out", help="Write the sides into this new folder.")] = None,
) -> None:
    """Part a file into train, validation and test: by content, group, label or time, or into folds."""
    from whet.config.load import load
    from whet.data.parted import parting, write

    with Shown() as show:
        parted = parting(file, load(None, overrides or []).data, show)
    for sentence in parted.sentences():
        out(sentence)
    if output is None:
        Shown().say("this is the plan; add --out FOLDER to carry it out")
        return
    with Shown() as show:
        write(parted, output, show)
    Shown().say(f"written to {output}, each file with its trail")


@app.command()
def swap(
    file: File,
    output: Annotated[Path, typer.Option("--out", help="Write the rows and their twins here (.jsonl).")],
    axes: Annotated[str, typer.Option("--axes", help="gender, age, nationality, religion, disability, origin.")],
    overrides: Overrides = None,
) -> None:
    """Write rows with twins that speak of another group, so that both are answered alike in training."""
    from whet.config.load import load
    from whet.data.swap import write_twins
    from whet.data.swaps import axes_of

    with Shown() as show:
        done = write_twins(file, axes_of(axes), output, load(None, overrides or []).data, show)
    for note in done.notes:
        Shown().say(note)
    made = ", ".join(f"{count:,} with {axis} swapped" for axis, count in done.made.most_common())
    out(f"{done.rows:,} rows as they were and {done.made.total():,} twins: {made}")


@app.command()
def unanswerable(
    file: File,
    output: Annotated[Path, typer.Option("--out", help="Write the rows and the unanswerable ones here (.jsonl).")],
    share: Annotated[float, typer.Option("--share", help="Of the rows with a passage that get one beside them.")] = 0.1,
    answer: Annotated[str, typer.Option("--answer", help="What is answered to them.")] = "The passage does not say.",
    overrides: Overrides = None,
) -> None:
    """Write rows with questions that their passage does not answer, so that a model learns to say so."""
    from whet.config.load import load
    from whet.data.unanswerable import write_unanswerable

    with Shown() as show:
        settings = load(None, overrides or []).data
        done = write_unanswerable(file, output, settings, share=share, answer=answer, show=show)
    for note in done.notes:
        Shown().say(note)
    out(f"{done.rows:,} rows as they were and {done.made.total():,} questions with the passage of another row")


@app.command()
def make(  # noqa: PLR0913, PLR0917  (one for each option)
    kind: Annotated[str, typer.Argument(metavar="KIND")],
    source: Annotated[str, typer.Argument(metavar="PATH")],
    maker: Annotated[str, typer.Option("--with", help="Who makes them: a model, a run or http://host/v1#model.")],
    output: Annotated[Path, typer.Option("--out", help="Write the rows here (.jsonl).")],
    overrides: Overrides = None,
    judge: Annotated[str | None, typer.Option("--judge", help="Who judges them, if it is not who makes them.")] = None,
    apart: Annotated[
        str | None, typer.Option("--apart", help="A file (the test rows) that nothing may repeat.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Stop at so many rows.")] = None,
    per: Annotated[int, typer.Option("--per", min=1, help="Rows made from each row of the source.")] = 1,
    tokens: Annotated[int | None, typer.Option("--tokens", min=1, help="Stop before so many tokens are spent.")] = None,
    money: Annotated[float | None, typer.Option("--money", min=0, help="Stop before so much is spent.")] = None,
    price: Annotated[tuple[float, float], typer.Option(help="Of a million tokens read, and written.")] = (0.0, 0.0),
    temperature: Annotated[float, typer.Option("--temperature", min=0, help="0 is greedy.")] = 0.7,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Other rows with another.")] = 0,
) -> None:
    """Make rows with a model: see `whet data kinds`. The same command goes on where it was stopped."""
    from whet.cli.make import Order
    from whet.cli.make import make as carry_out
    from whet.data.making import Budget
    from whet.errors import UsageError

    if money is not None and not any(price):
        raise UsageError("--money: say what tokens cost with --price READ WRITTEN (for a million of each)")
    budget = Budget(rows, tokens, money, price)
    carry_out(Order(kind, source, maker, judge, output, apart, per, temperature, seed, budget), overrides or [])


@app.command()
def kinds() -> None:
    """List the kinds of rows that can be made."""
    from importlib import import_module

    from whet.plugins import find, names

    for name in names("data.makers"):
        made = find("data.makers", name)
        needs = getattr(import_module(made.__module__), "NEEDS", "")
        out(f"{name}: {(made.__doc__ or '').strip().partition(chr(10))[0]} From {needs}.")


@app.command()
def card(
    paths: Annotated[list[str], typer.Argument(metavar="PATH... [train=PATH] [test=PATH] [KEY=VALUE]...")],
    license: Annotated[str | None, typer.Option("--license", help="Under what the data may be used.")] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Write it here instead of to stdout.")] = None,
) -> None:
    """Print the data card: what is in the files, what they were made from, and what the checks found."""
    from whet.config.load import load
    from whet.data.card import card as describe
    from whet.data.card import title
    from whet.data.check import check as look
    from whet.data.read import streams
    from whet.errors import RunError, UsageError

    if output and output.exists():
        raise UsageError(f"--out: {output} exists and nothing is overwritten; name another file")
    named, overrides = _sides(paths)
    config = load(None, overrides)
    notes: list[str] = []
    with ExitStack() as open_files, Shown() as show:
        sides: dict[str, list[Stream]] = {
            side: streams(files, config.data, notes, open_files, side, show) for side, files in named.items()
        }
        report = look(sides, processes=os.cpu_count() or 1, show=show)
        files = [stream.file for found in sides.values() for stream in found]
        name = title(next(iter(named.values()))[0])
        text = describe(replace(report, notes=(*notes, *report.notes)), files, name, license)
    if output is None:
        out(text.rstrip())
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        why = f"cannot be written ({error.strerror or error})"
        raise RunError(f"--out {output}: {why}; name a file in a folder that exists and has room") from None
    Shown().say(f"written to {output}")


@app.command()
def shapes() -> None:
    """List the row shapes that are recognised."""
    from whet.plugins import names

    for name in names("data.shapes"):
        out(name)


def _renderer(name: str):  # type: ignore[no-untyped-def]
    from whet.data.render import Renderer
    from whet.models.source import resolve

    base = resolve(name, Shown().say)
    settings = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    return Renderer(base.folder), int(settings.get("max_position_embeddings") or 2048)
