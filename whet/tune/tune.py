"""The main job: from a data file to a tuned model and a verdict. The table of contents of the product."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.config.tree import Config
from whet.data.content import content_hash
from whet.data.preflight import render_all, reply_length
from whet.data.split import draw
from whet.data.swaps import axes_of
from whet.engines.endpoint import Endpoint, from_name
from whet.engines.fewshot import last_exchange
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.errors import DataError, Problem, UsageError
from whet.evals.certainty import account
from whet.evals.evaluate import row_losses
from whet.models.adapt import switched_off
from whet.models.load import load
from whet.models.policy import Policy
from whet.runs.looks import look
from whet.runs.run import Run, replace_whole
from whet.train.drift import check_drift
from whet.train.prepare import Prepared, prepare
from whet.train.stop import Stop
from whet.train.train import Trained, train
from whet.tune import compare
from whet.tune.card import card
from whet.tune.certainty import certainty
from whet.tune.contenders import Table
from whet.tune.fairness import Swapped, groups_treated, swapped_of
from whet.tune.forgetting import Panel, forgotten, keep_to_budget, panel
from whet.tune.interview import Contender, Interview
from whet.tune.judging import preferred
from whet.tune.page import page
from whet.tune.passages import by_passage, judged, together, unit
from whet.tune.questions import questions
from whet.tune.report import described, learned_from
from whet.tune.seeds import again
from whet.tune.several import opened
from whet.tune.where import parts, where
from whet.tune.wordings import listed
from whet.types import Chat, Message, Progress, Prompt, Sampling, Text


def tune(
    config: Config,
    run: Run,
    show: Progress,
    stop: Stop,
    *,
    allow_drift: bool = False,
    trial: Sequence[Chat] | None = None,
) -> dict[str, Any]:
    """Carry out the whole job, or what is left of it, and return the report that it wrote.

    `trial`: the rows that examples and passages are taken from, where those that train are only some of them. That the
    test rows were looked at is not counted then, for they were only set apart.

    Raises:
        DataError: unusable rows, or nothing to judge on. And whatever `train` raises.
    """
    begun = time.time() - sum(event.get("worked", 0.0) for event in run.read("events"))  # by those before a resume
    prepared = prepare(config, show)
    _demand_test(config, prepared)
    sampling = _sampling(config, prepared)
    general = panel(config)
    if config.eval.judge:
        opened(config.eval.judge, config, show)  # one that does not open is told before training
    if isinstance(prepared.splits.test[0], Text):
        return _tune_text(config, run, prepared, general, show, stop, begun, allow_drift)
    asked = questions(config, prepared, sampling.max_tokens)
    for note in asked.notes:
        show.say(note)
    targets = [target for prompt in asked.prompts for target in prompt.targets]
    scorers = compare.scorers_for(config.eval, targets, prepared.labels)  # a misspelt one is told before training
    compare.try_out(scorers, asked.prompts[0])
    servers = _servers(config)
    by = parts(asked.prompts, config.eval.slices)
    swapped = _swapped(config, asked.prompts, prepared)
    interview = Interview(run.path / "replies", asked.prompts, sampling, scorers, show)
    shown = [row for row in prepared.splits.train if isinstance(row, Chat)] if trial is None else trial
    table = Table(config, prepared, asked, interview, shown)
    trained = _train_once(config, run, prepared, show, stop, allow_drift)
    start = time.time()
    kept = _kept(config, run, prepared, general, show, stop)
    folder = run.path / "replies" / "swaps"
    twins = Interview(folder, swapped.asked, sampling, scorers, show) if swapped else None
    sure = _ask_everyone(config, run, prepared, table, interview, stop, servers, twins)
    answers = interview.answers
    report = described(config, run, prepared, trained, begun, start)
    report["seconds"]["evaluation"] = sum(one.reply.seconds for replies in answers.values() for one in replies)
    report["data"]["questions"] = len(asked.prompts)
    report["data"]["notes"] += asked.notes
    report |= kept
    if trial is None:
        _count_look(report, run, prepared, show)
    _judge(report, interview, config, prepared)
    if "tuned" in answers:
        report["where"] = where(answers["tuned"], report["decides"], prepared.labels, by, config)
    if swapped and twins:
        report["bias"] = groups_treated(swapped, twins.answers, report["decides"], prepared.labels, config)
    if sure:
        report["certainty"] = account(sure, report["scores"]["tuned"], config.eval.confidence)
    if config.eval.judge and "tuned" in answers:
        judge = opened(config.eval.judge, config, show).engine
        judge.between = lambda: stop.check(str(run.path))
        report["judged"] = preferred(judge, config, answers, "tuned", show, run.path / "replies")
    if config.eval.seeds > 1 and "verdict" in report:

        def carry(its: Config, other: Run) -> dict[str, Any]:
            return tune(its, other, show, stop, trial=shown)

        report["seeds"] = again(config, run, report, asked.prompts, carry, show)
    _write(run, report)
    return report


def _demand_test(config: Config, prepared: Prepared) -> None:
    if not prepared.splits.test:
        where = str(config.data.test or config.data.train)
        raise DataError([Problem(where, 0, "no row to judge on; give a file with --test, or raise data.shares")])
    kinds = {type(row) for row in (*prepared.splits.test, *prepared.splits.train)}
    if len(kinds) > 1:
        raise DataError(
            [Problem(str(config.data.test), 0, "raw text and conversations cannot be judged against each other")]
        )
    what = "nothing is asked before the answer, so it cannot be judged; add a user message or remove the row"
    alone = [
        row.source.rpartition(":") for row in prepared.splits.test if isinstance(row, Chat) and not row.messages[1:]
    ]
    if alone:
        raise DataError([Problem(path, int(line or 0), what) for path, _, line in alone])
    shown = any(isinstance(row, Chat) and last_exchange(row) for row in prepared.splits.train)
    if "few_shot" in config.eval.contenders and kinds == {Chat} and not shown:
        raise UsageError(
            "eval.contenders: few_shot has no training row with a question to show; leave it out with "
            "eval.contenders=[zero_shot,tuned]"
        )


def _train_once(config: Config, run: Run, prepared: Prepared, show: Progress, stop: Stop, allow_drift: bool) -> Trained:
    """Return what training gave; a run that is resumed after its training does not train again."""
    if (run.path / "trained.json").exists() and (run.path / "model").is_dir():
        saved = run.read_json("trained.json")
        check_drift(config, run, prepared, allow_drift, learned_from(run))
        saved.pop("fingerprint", None)
        return Trained(**{**saved, "loss": tuple(saved["loss"]), "validation": tuple(map(tuple, saved["validation"]))})
    check_drift(config, run, prepared, allow_drift)
    trained = train(config, run, prepared, show, stop, allow_drift=allow_drift)
    run.write_json("trained.json", {**asdict(trained), "fingerprint": run.read_json("fingerprint.json")})
    return trained


def _ask_everyone(
    config: Config,
    run: Run,
    prepared: Prepared,
    table: Table,
    interview: Interview,
    stop: Stop,
    servers: dict[str, Endpoint],
    twins: Interview | None,
) -> list[float] | None:
    """Ask every contender the same questions, and return how sure the tuned model is of each answer.

    `twins`: questions with groups of people swapped, which the tuned model and its base are asked too.
    """
    engine = open_model(
        str(run.path), config.model, interview.show.say
    ).engine  # as saved, so what is judged is what is served
    engine.between = lambda: stop.check(str(run.path))
    base = engine if config.adapter.kind == "lora" else _base_engine(prepared, engine)
    base.between = engine.between
    with switched_off(base.model):
        for contender in table.untuned(base):
            interview.hold(contender)
    for contender in table.tuned(engine):
        interview.hold(contender)
    for name, server in servers.items():
        server.between = engine.between
        interview.hold(table.server(name, server))
    if twins:
        twins.hold(Contender("tuned", engine, twins.questions))
        with switched_off(base.model):
            twins.hold(Contender("base", base, tuple(map(listed(prepared.labels), twins.questions))))
    if not (said := interview.answers.get("tuned")):
        return None
    return certainty(engine, [one.prompt for one in said], [one.reply for one in said], interview.show)


def _swapped(config: Config, asked: Sequence[Prompt], prepared: Prepared) -> Swapped | None:
    """Return the test questions that speak of groups of people, with their twins, if they are to be asked."""
    if not config.eval.swaps:
        return None
    axes = axes_of(",".join(config.eval.swaps), "eval.swaps")
    return swapped_of(asked, axes, "eval.swaps", labelled=bool(prepared.labels), limit=config.eval.limit)


def _servers(config: Config) -> dict[str, Endpoint]:
    """Return the models behind servers, before anything costs time.

    Raises:
        UsageError: a name that is none, or a server that cannot do what everybody is asked to. EndpointError: no reply.
    """
    if config.eval.endpoints and config.eval.choose:
        raise UsageError("eval.choose: a server cannot choose among labels; leave it out, or eval.endpoints")
    found = {}
    for name in config.eval.endpoints:
        if (engine := from_name(name)) is None:
            raise UsageError(f"eval.endpoints: {name!r} is no server; write http://host:port/v1#model")
        found[name] = engine
    return found


def _sampling(config: Config, prepared: Prepared) -> Sampling:
    longest = config.eval.max_tokens or reply_length(prepared.own)
    choices = compare.choices(config.eval, prepared.labels)
    asked = Prompt((Message("user", "?"),))
    ways = [prepared.renderer.answer(asked, choice) for choice in choices]
    most = max([longest, *(len(whole) - begin for whole, begin in ways)])
    return Sampling(config.eval.temperature, max_tokens=most, seed=config.seed, choices=choices)


def _base_engine(prepared: Prepared, tuned: Local) -> Local:
    model = load(prepared.base.folder, next(tuned.model.parameters()).dtype, tuned.device)
    return Local(model, prepared.renderer, tuned.context, packs=Policy(model).packs)


def _count_look(report: dict[str, Any], run: Run, prepared: Prepared, show: Progress) -> None:
    model = f"{run.id} {run.read_json('run.json')['created']}"
    if remark := look(map(content_hash, prepared.splits.test), model):
        show.say(remark)
        report["data"]["notes"].append(remark)


def _judge(report: dict[str, Any], interview: Interview, config: Config, prepared: Prepared) -> None:
    """Add the figures, the comparisons, the verdict and the rows to look at."""
    answers, remarks = interview.answers, interview.remarks
    names = list(next(iter(answers.values()))[0].scores)
    settings = config.eval
    report["contenders"] = {
        name: compare.figures(rows, prepared.labels, settings, config.seed, remarks[name])
        for name, rows in answers.items()
    }
    report["decides"] = names[0]
    report["sources"] = [answer.prompt.source for answer in next(iter(answers.values()))]
    report["scores"] = {name: compare.column(rows, names[0]) for name, rows in answers.items()}
    if prepared.labels and "tuned" in answers:
        report["labels"] = compare.label_table(answers["tuned"], prepared.labels)
    if "tuned" not in answers or len(answers) < 2:
        return
    found = compare.verdict(answers, names[0], settings, config.seed)
    report["verdict"] = asdict(found)
    report["comparisons"] = compare.comparisons(answers, names, settings, config.seed)
    report["examples"] = compare.side_by_side(answers, names[0], found.baseline, evidence=interview.evidence)
    ours, theirs = (compare.column(answers[name], names[0]) for name in ("tuned", found.baseline))
    report["differences"] = [a - b for a, b in zip(ours, theirs, strict=True)]


def _kept(
    config: Config, run: Run, prepared: Prepared, general: Panel | None, show: Progress, stop: Stop
) -> dict[str, Any]:
    """Return what became of general abilities; with a budget, the saved adapter keeps to it from here on."""
    if general is None:
        return {}

    def between() -> None:
        stop.check(str(run.path))

    budget: dict[str, Any] = {}
    if config.eval.forgetting is not None:
        budget = keep_to_budget(run, config, prepared, general, show, between)
    tuned = open_model(str(run.path), config.model, show.say).engine
    base = tuned if config.adapter.kind == "lora" else _base_engine(prepared, tuned)
    return {"forgetting": {**budget, **forgotten(config, general, tuned, base, show, between)}}


def _tune_text(
    config: Config,
    run: Run,
    prepared: Prepared,
    general: Panel | None,
    show: Progress,
    stop: Stop,
    begun: float,
    allow_drift: bool,
) -> dict[str, Any]:
    """Carry out the job for raw text (see `whet.tune.passages`)."""
    held_out = draw(prepared.splits.test, config.eval.limit)
    rows = render_all(held_out, prepared.renderer, config.data, prepared.longest).rows
    trained = _train_once(config, run, prepared, show, stop, allow_drift)
    start = time.time()
    kept = _kept(config, run, prepared, general, show, stop)
    engine = open_model(str(run.path), config.model, show.say).engine
    base = engine if config.adapter.kind == "lora" else _base_engine(prepared, engine)
    leaders = together(rows, [row for row in held_out if isinstance(row, Text)])
    show.say(f"measuring the log-loss of {len(set(leaders)):,} held-out {unit(rows, leaders)}s")
    with switched_off(base.model):
        before = row_losses(Policy(base.model), rows)
    losses = {"zero_shot": before, "tuned": row_losses(Policy(engine.model), rows)}
    report = described(config, run, prepared, trained, begun, start)
    report["data"]["questions"] = len(set(leaders))
    _count_look(report, run, prepared, show)
    by_name = {name: by_passage(found, rows, leaders) for name, found in losses.items()}
    report |= kept | judged(by_name, unit(rows, leaders), config)
    _write(run, report)
    return report


def _write(run: Run, report: dict[str, Any]) -> None:
    run.write_json("report.json", report)
    replace_whole(run.path / "report.html", page(report))
    replace_whole(run.path / "README.md", card(report))
