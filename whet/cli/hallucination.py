"""`whet hallucination`: does a model answer what its passage does not say, before and after tuning?"""

from collections.abc import Sequence

from whet.cli.bias import table
from whet.cli.judge import heard
from whet.cli.progress import Shown, out, out_json
from whet.cli.talk import model_named
from whet.errors import UsageError
from whet.evals.bias.words import amount, plain
from whet.train.stop import on_signals
from whet.tune.abstaining import measure
from whet.tune.several import opened


def hallucination(models: Sequence[str], data: str, overrides: Sequence[str], as_json: bool) -> None:
    """Ask one model, or two, questions with their passage, with another's and with none.

    Raises:
        UsageError: none or too many models.
    """
    if not 1 <= len(models) <= 2:
        raise UsageError("name one model, or two, as in: whet hallucination RUN smollm2-135m --data questions.jsonl")
    config = heard(overrides, ("eval.temperature", "eval.choose"))
    with on_signals() as stop, Shown() as show:
        found = measure([opened(model_named(name), config, show) for name in models], data, config, show, stop)
        for note in found["notes"]:
            show.say(note)
    if as_json:
        out_json(found)
        return
    out(f"{found['rows']:,} questions, {found['strangers']:,} of them with the passage of another too")
    lines = []
    for name, one in found["measures"].items():
        for model, figure in one["models"].items():
            lines.append((name, model, f"{figure['rows']:,}", one["says"], plain(figure)))
        if "difference" in one:
            rows = f"{one['difference']['rows']:,}"
            lines.append((name, " - ".join(found["models"]), rows, "difference", amount(one["difference"])))
    table(("measure", "model", "rows", "what", "value (interval)"), lines)
    for sentence in found["meaning"]:
        out(sentence)
