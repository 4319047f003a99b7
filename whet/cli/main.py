"""The command line. Each command opens its own door, so that `whet --help` loads neither torch nor transformers."""

from pathlib import Path
from typing import Annotated

import typer

from whet.cli.data import app as data_app
from whet.cli.progress import Shown, out, out_json
from whet.errors import RunError
from whet.runs.run import Run

app = typer.Typer(
    name="whet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Sharpen a language model on your data and prove that it got sharper.",
)
app.add_typer(data_app, name="data")

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings, e.g. optim.lr=1e-4 eval.limit=100"),
]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; default is a new one under runs/.")]
Seed = Annotated[int, typer.Option(min=0, help="Other replies with another, at a temperature above 0.")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, or its name under runs/.")]


@app.command()
def tune(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="File of examples (or hub:OWNER/NAME, a URL), or a recipe (.yaml).")
    ],
    overrides: Overrides = None,
    validation: Annotated[str | None, typer.Option(help="Rows to stop early on.")] = None,
    test: Annotated[str | None, typer.Option(help="Rows to judge on.")] = None,
    base: Annotated[str | None, typer.Option(help="Base model: a name, hub id, folder or GGUF file.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Train so many times, so that luck is counted too.")] = None,
    out_folder: Out = None,
    as_json: AsJson = False,
) -> None:
    """The main job: train on DATA, compare with prompting on held-out questions, give a verdict."""
    from whet.cli.plan import foresee

    options = {"data.validation": validation, "data.test": test, "model.name": base, "eval.seeds": seeds}
    given = {key: str(value) for key, value in options.items() if value is not None}
    foresee(data, overrides or [], given)

    from whet.cli.journey import start

    start("tune", data, overrides or [], out_folder, as_json, given)


@app.command()
def decide(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="File of examples (or hub:OWNER/NAME, a URL), or a recipe (.yaml).")
    ],
    overrides: Overrides = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="How long it may take, about.")] = None,
    documents: Annotated[str | None, typer.Option(help="Files that passages are looked up in; default: DATA.")] = None,
    base: Annotated[str | None, typer.Option(help="Base model: a name, hub id, folder or GGUF file.")] = None,
    out_folder: Out = None,
    as_json: AsJson = False,
) -> None:
    """Should one tune? Tries prompts, examples, passages and short trainings, and says what to do."""
    from whet.cli.plan import foresee

    options = {"decide.minutes": minutes, "eval.documents": documents, "model.name": base}
    given = {key: str(value) for key, value in options.items() if value is not None}
    foresee(data, overrides or [], given)

    from whet.cli.journey import start

    start("decide", data, overrides or [], out_folder, as_json, given)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe (.yaml), or a file of examples.")],
    overrides: Overrides = None,
    out_folder: Out = None,
    as_json: AsJson = False,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe and stop.")] = False,
) -> None:
    """The training alone, without the comparison."""
    from whet.cli.plan import foresee, show_recipe

    if show:
        show_recipe(recipe, overrides or [])
        return
    foresee(recipe, overrides or [])

    from whet.cli.journey import start

    start("train", recipe, overrides or [], out_folder, as_json)


@app.command()
def resume(
    run: RunPath,
    as_json: AsJson = False,
    allow_drift: Annotated[
        bool,
        typer.Option(
            "--allow-drift",
            help="Go on although data or settings changed, and record it; but not once a model has learned from them.",
        ),
    ] = False,
) -> None:
    """Continue an interrupted run, to the bit."""
    from whet.runs.store import find

    find(run)

    from whet.cli.journey import resume as go_on

    go_on(run, as_json, allow_drift)


@app.command()
def chat(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a base model or a model folder.")],
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1)] = 512,
    system: Annotated[str | None, typer.Option(help="System message; default is the one it was trained with.")] = None,
    seed: Seed = 0,
) -> None:
    """Talk to a model; replies stream. End with Ctrl-D."""
    from whet.cli.talk import chat as talk
    from whet.types import Sampling

    talk(model, Sampling(temperature, max_tokens=max_tokens, seed=seed), system)


@app.command()
def generate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a base model or a model folder.")],
    source: Annotated[
        str, typer.Option("--input", help="Prompts: rows as those of training, or a .txt of one a line.")
    ],
    target: Annotated[Path, typer.Option("--output", help="JSONL to write: one reply a prompt, in order.")],
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1)] = 256,
    seed: Seed = 0,
) -> None:
    """Answer a file of prompts."""
    from whet.cli.talk import generate as answer
    from whet.types import Sampling

    answer(model, source, target, Sampling(temperature, max_tokens=max_tokens, seed=seed))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a base model or a model folder.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA] [KEY=VALUE]...", help="File of questions with their answers, and settings."),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", help="The same file, by name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on DATA, with intervals."""
    from whet.cli.judge import evaluate as judge

    files, settings = _parted(arguments or [])
    judge(model, [*files, *([data] if data else [])], settings, as_json)


@app.command()
def compare(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL MODEL... [KEY=VALUE]...", help="Runs, base models, folders or servers."),
    ],
    data: Annotated[
        str,
        typer.Option("--data", help="File of questions with their answers, a suite's folder, or lm-eval:TASK."),
    ],
    html: Annotated[str | None, typer.Option("--html", help="Write the comparison as a page to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask several models the same questions: is the first better than the strongest of the others?"""
    from whet.cli.judge import compare as judge

    named, settings = _parted(models)
    judge(named, data, settings, as_json, html)


def _parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the names and the settings among arguments."""
    from whet.config.load import is_setting

    settings = [one for one in arguments if is_setting(one)]
    return [one for one in arguments if one not in settings], settings


@app.command()
def bias(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL [MODEL] [KEY=VALUE]...", help="Who is judged, and whom to compare it with."),
    ],
    data: Annotated[str | None, typer.Option("--data", help="File of questions with their answers.")] = None,
    axes: Annotated[str | None, typer.Option("--axes", help="What to swap, with commas; default is all.")] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="A public set: crows_pairs=FILE, winogender=FILE or bbq=FILE.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Are groups of people treated alike? Asks DATA with women for men, old for young ..., and reads public sets."""
    from whet.cli.bias import bias as judge

    named, settings = _parted(models)
    judge(named, data, axes, suite or [], settings, as_json)


@app.command()
def trust(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A model, a run or http://host:port/v1#model.")],
    data: Annotated[str, typer.Option("--data", help="File of replies of which people preferred one.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Does a judge (eval.judge) prefer what people prefer? Asks it both ways round."""
    from whet.cli.judge import trust as say

    say(judge, data, overrides or [], as_json)


@app.command()
def hallucination(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL [MODEL] [KEY=VALUE]...", help="Who is judged, and whom to compare it with."),
    ],
    data: Annotated[str, typer.Option("--data", help="File of questions with their passages and answers.")],
    as_json: AsJson = False,
) -> None:
    """Does a model answer what its passage does not say? Asks DATA with passages exchanged, and without any."""
    from whet.cli.hallucination import hallucination as judge

    named, settings = _parted(models)
    judge(named, data, settings, as_json)


@app.command()
def export(
    run: RunPath,
    merged: Annotated[Path, typer.Option("--merged", help="Folder for one plain model that transformers loads.")],
) -> None:
    """Write base and adapter as one model; fails if it answers differently."""
    from whet.runs.store import find

    find(run)

    from whet.cli.talk import export as write

    write(run, merged)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the base models that can be used by name, their size and where they come from."""
    from whet.cli.talk import models as listing

    listing(as_json)


@app.command()
def runs(
    as_json: AsJson = False, home: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs")
) -> None:
    """List the runs."""
    from whet.runs.store import listed

    found = listed(home)
    rows = [_row(run) for run in found]
    if as_json:
        out_json(rows)
        return
    for row in rows:
        out(f"{row['run']}  {row['kind']}  {row['status']}  {row.get('verdict', '')}".rstrip())
    if not rows:
        Shown().say(f"no runs under {home}; begin one with: whet tune DATA")


def _row(run: Run) -> dict[str, str]:
    """Return how a run stands; one that is damaged hides no other."""
    try:
        row = {"run": str(run.path), "kind": str(run.said("run.json", "kind")), "status": run.status}
        report = run.read_json("report.json") if (run.path / "report.json").exists() else {}
    except RunError as error:
        return {"run": str(run.path), "kind": "?", "status": "damaged", "verdict": str(error)}
    found = report.get("verdict") if isinstance(report, dict) else None
    return {**row, "verdict": str(found["sentence"])} if isinstance(found, dict) and "sentence" in found else row


@app.command()
def show(run: RunPath, as_json: AsJson = False) -> None:
    """Show a run: how it stands, its verdict, its figures and what happened."""
    from whet.cli.plan import show as tell

    tell(run, as_json)


@app.command()
def doctor(run: RunPath, as_json: AsJson = False) -> None:
    """What does a run suffer from? Evidence, why it matters and what to change; exit code 3 if there is an alarm."""
    from whet.cli.doctor import doctor as examine

    examine(run, as_json)
