"""The main job: from a data file to a tuned model and a verdict. The table of contents of the product."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.config.tree import Config
from whet.data.preflight import render_all, reply_length
from whet.data.split import draw
from whet.data.swaps import axes_of
from whet.engines.endpoint import Endpoint, from_name
from whet.engines.fewshot import last_exchange
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.errors import DataError, Problem, UsageError
from whet.evals.certainty import account
from whet.evals.clusters import clusters
from whet.evals.evaluate import row_losses
from whet.models.adapt import switched_off
from whet.models.policy import Policy
from whet.models.scoring import scores
from whet.runs.run import Run
from whet.train.prepare import Prepared, prepare
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.certainty import certainty
from whet.tune.contenders import Table, examples, without_examples
from whet.tune.distilled import TEACHER, closed_gap, open_teacher
from whet.tune.fairness import Swapped, groups_treated, swapped_of
from whet.tune.forgetting import panel
from whet.tune.interview import Contender, Interview
from whet.tune.job import Job, base_engine, count_look, kept_abilities, train_once, write_report
from whet.tune.judging import preferred
from whet.tune.passages import by_passage, judged, together, unit
from whet.tune.preferring import answered, heed, held_out, measured, scored
from whet.tune.questions import questions
from whet.tune.report import described
from whet.tune.seeds import again
from whet.tune.several import opened
from whet.tune.where import parts, where
from whet.tune.wordings import listed
from whet.types import Chat, Message, Progress, Prompt, Sampling, Scorer, Text


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
    without_examples(config, examples(prepared.splits.train), lambda _: None)  # what cannot be shown is told at once
    sampling = _sampling(config, prepared)
    general = panel(config)
    if config.eval.judge:
        opened(config.eval.judge, config, show)  # one that does not open is told before training
    job = Job(config, run, prepared, general, show, stop, begun, allow_drift)
    if prepared.judged is not None:
        return _tune_judged(job)
    if isinstance(prepared.splits.test[0], Text):
        return _tune_text(job)
    return _tune_answers(job, sampling, trial)


def _tune_answers(job: Job, sampling: Sampling, trial: Sequence[Chat] | None) -> dict[str, Any]:
    """Carry out the job for answers to be learned."""
    config, run, prepared, show, stop = job.config, job.run, job.prepared, job.show, job.stop
    asked = questions(config, prepared, sampling.max_tokens)
    for note in asked.notes:
        show.say(note)
    scorers = _scorers(config, asked.prompts, prepared)
    servers = _servers(config)
    by = parts(asked.prompts, config.eval.slices)
    swapped = _swapped(config, asked.prompts, prepared)
    folder = run.path / "replies"
    interview = Interview(folder, asked.prompts, sampling, scorers, show)
    twins = Interview(folder / "swaps", swapped.asked, sampling, scorers, show) if swapped else None
    shown = examples(prepared.splits.train) if trial is None else trial
    config = without_examples(config, shown, show.say)
    table = Table(config, prepared, asked, interview, shown)
    trained = train_once(config, run, prepared, show, stop, job.allow_drift)
    start = time.time()
    kept = kept_abilities(config, run, prepared, job.general, show, stop)
    sure = _ask_everyone(config, run, prepared, table, interview, stop, servers, twins)
    answers = interview.answers
    report = described(config, run, prepared, trained, job.begun, start)
    report["seconds"]["evaluation"] = sum(one.reply.seconds for replies in answers.values() for one in replies)
    report["data"]["questions"] = len(asked.prompts)
    report["data"]["notes"] += asked.notes
    report |= kept
    if trial is None:
        count_look(report, run, prepared, show)
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
        report["judged"] = preferred(judge, config, answers, "tuned", show, folder)
    if config.eval.seeds > 1 and "verdict" in report:

        def carry(its: Config, other: Run) -> dict[str, Any]:
            return tune(its, other, show, stop, trial=shown)

        report["seeds"] = again(config, run, report, asked.prompts, carry, show)
    write_report(run, report)
    return report


def _scorers(config: Config, asked: Sequence[Prompt], prepared: Prepared) -> dict[str, Scorer]:
    """Return the scorers; a misspelt one, or one that fails, is told before training.

    Prompts without answers are judged by the reward that is learned from, unless others are named.
    """
    if prepared.rewards and not config.eval.scorers and isinstance(prepared.splits.train[0], Prompt):
        return dict(prepared.rewards.as_scorers)
    targets = [target for prompt in asked for target in prompt.targets]
    scorers = compare.scorers_for(config.eval, targets, prepared.labels)
    compare.try_out(scorers, asked)
    return scorers


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
    base = base_engine(prepared, engine) if config.adapter.kind == "full" else engine
    base.between = engine.between
    with switched_off(base.model):
        for contender in table.untuned(base):
            interview.hold(contender)
    for contender in table.tuned(engine):
        interview.hold(contender)
    if prepared.teacher and config.eval.contenders != ("tuned",):
        teacher = open_teacher(config, run, interview.show)
        teacher.engine.between = engine.between
        interview.hold(table.teacher(teacher))
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
    longest = config.eval.max_tokens or (reply_length(prepared.own) if prepared.train.trained else prepared.drawn)
    choices = compare.choices(config.eval, prepared.labels)
    asked = Prompt((Message("user", "?"),))
    ways = [prepared.renderer.answer(asked, choice) for choice in choices]
    most = max([longest, *(len(whole) - begin for whole, begin in ways)])
    return Sampling(config.eval.temperature, max_tokens=most, seed=config.seed, choices=choices)


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
    groups = clusters([answer.prompt for answer in next(iter(answers.values()))])
    if gap := closed_gap(report["scores"], names[0], settings, groups):
        report["distilled"] = gap
    rivals = {name: rows for name, rows in answers.items() if name != TEACHER}  # who is learned from is no rival
    if "tuned" not in answers or len(rivals) < 2:
        return
    found = compare.verdict(rivals, names[0], settings, config.seed)
    report["verdict"] = asdict(found)
    report["comparisons"] = compare.comparisons(answers, names, settings, config.seed)
    report["examples"] = compare.side_by_side(answers, names[0], found.baseline, evidence=interview.evidence)
    ours, theirs = (compare.column(answers[name], names[0]) for name in ("tuned", found.baseline))
    report["differences"] = [a - b for a, b in zip(ours, theirs, strict=True)]


def _tune_text(job: Job) -> dict[str, Any]:
    """Carry out the job for raw text (see `whet.tune.passages`)."""
    config, prepared, show = job.config, job.prepared, job.show
    held_out = draw(prepared.splits.test, config.eval.limit)
    rows = render_all(held_out, prepared.renderer, config.data, prepared.longest).rows
    leaders = together(rows, [row for row in held_out if isinstance(row, Text)])

    def measure(tuned: Local, base: Local) -> dict[str, Any]:
        show.say(f"measuring the log-loss of {len(set(leaders)):,} held-out {unit(rows, leaders)}s")
        with switched_off(base.model):
            before = row_losses(Policy(base.model), rows)
        losses = {"zero_shot": before, "tuned": row_losses(Policy(tuned.model), rows)}
        if prepared.teacher:
            losses[TEACHER] = row_losses(Policy(open_teacher(config, job.run, show).engine.model), rows)
        by_name = {name: by_passage(found, rows, leaders) for name, found in losses.items()}
        turned = {name: [-loss for loss in found] for name, found in by_name.items()}
        gap = closed_gap(turned, "log_loss", config.eval)
        told = {"distilled": gap} if gap else {}
        return {**judged(by_name, unit(rows, leaders), config), **told, "questions": len(set(leaders))}

    return job.carry_out(measure)


def _tune_judged(job: Job) -> dict[str, Any]:
    """Carry out the job for replies that were judged (see `whet.tune.preferring`)."""
    config, prepared, show = job.config, job.prepared, job.show
    scores_replies = prepared.method == "reward"
    heed(config, prepared.method)
    groups = held_out(config, prepared)  # what cannot be judged on is told before training
    seen = scored(config, prepared) if scores_replies else ()
    if scores_replies:  # a row at the border of what is too long may be one of them alone
        known = {group.source for group in groups} & {group.source for group in seen}
        groups, seen = (tuple(one for one in side if one.source in known) for side in (groups, seen))

    def between() -> None:
        job.stop.check(str(job.run.path))

    def measure(tuned: Local, base: Local) -> dict[str, Any]:
        values = None
        if scores_replies:
            rows = [row for group in seen for row in group.rows]
            show.begin("scoring held-out replies", len(rows))
            values = scores(job.run.path / "model", rows, between, show.advance)
        found = measured(config, prepared, groups, tuned, base, show, between, values)
        if config.eval.judge:
            judge = opened(config.eval.judge, config, show).engine
            judge.between = between
            answers = answered(config, prepared, tuned, base, show, job.run.path / "replies")
            found["judged"] = preferred(judge, config, answers, "tuned", show, job.run.path / "replies")
        return found

    return job.carry_out(measure)
