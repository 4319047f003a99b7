"""`whet data`: look at data before training on it. Never loads torch."""

import json
from pathlib import Path
from typing import Annotated

import typer

from whet.cli.progress import Shown, out

app = typer.Typer(no_args_is_help=True, help="Check and look at data.", pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(metavar="FILE")]
Base = Annotated[str | None, typer.Option("--base", help="Also render with this model's tokenizer and template.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")]


@app.command()
def check(
    file: File,
    overrides: Overrides = None,
    base: Base = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report on a data file; every problem names its line."""
    from whet.config.load import load
    from whet.data.check import check as look
    from whet.data.preflight import longest_row, render_all
    from whet.data.read import read
    from whet.errors import DataError

    config = load(None, overrides or [])
    try:
        dataset = read(file, config.data)
        rendered = None
        if base:
            renderer, context = _renderer(base)
            rendered = render_all(dataset.examples, renderer, config.data, longest_row(config.data, context))
    except DataError as error:
        if as_json:
            out(
                json.dumps(
                    {
                        "path": str(file),
                        "problems": [{"path": p.path, "line": p.line, "what": p.what} for p in error.problems],
                    }
                )
            )
        raise
    report = look(str(file), dataset, rendered)
    if as_json:
        out(json.dumps({**report.as_dict(), "problems": []}))
        return
    for sentence in report.sentences():
        out(sentence)


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
    from whet.data.preflight import with_instruction
    from whet.data.read import read
    from whet.errors import UsageError

    config = load(None, overrides or [])
    dataset = read(file, config.data)
    if row > len(dataset.examples):
        raise UsageError(f"--row {row}: {file} has {len(dataset.examples):,} rows")
    renderer, _ = _renderer(base or config.model.name)
    console = Console(highlight=False, soft_wrap=True)
    example = with_instruction(dataset.examples[row - 1], config.data.instruction)
    for tokens in renderer.render(example, config.data.train_on):
        said = Rich()
        for trains, text in renderer.spans(tokens):
            said.append(text, "bold green underline" if trains else "dim")
        console.print(said)
        Shown().say(f"{tokens.source}: {len(tokens.ids):,} tokens, {tokens.trained:,} train (green and underlined)")


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
