"""The main job: from a data file to a tuned model and a verdict. The table of contents of the product."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.config.tree import Config
from whet.data.preflight import render_all
from whet.data.split import draw
from whet.engines.endpoint import Endpoint
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.evals.certainty import account
from whet.evals.clusters import clusters
from whet.evals.evaluate import row_losses
from whet.models.adapt import switched_off
from whet.models.policy import Policy
from whet.models.scoring import scores
from whet.runs.run import Run
from whet.train.prepare import Prepared
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.certainty import certainty
from whet.tune.contenders import Table, examples, without_examples
from whet.tune.distilled import TEACHER, closed_gap, open_teacher
from whet.tune.fairness import groups_treated
from whet.tune.foreseen import Exam, Foreseen, foresee
from whet.tune.interview import Contender, Interview
from whet.tune.job import Job, base_engine, count_look, kept_abilities, train_once, write_report
from whet.tune.judging import preferred
from whet.tune.passages import by_passage, judged, together, unit
from whet.tune.preferring import answered, measured
from whet.tune.report import described
from whet.tune.seeds import again
from whet.tune.several import opened
from whet.tune.where import where
from whet.tune.wordings import listed
from whet.types import Chat, Progress, Text


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
    ahead = foresee(config, show)
    job = Job(config, run, ahead.prepared, ahead.general, show, stop, begun, allow_drift)
    if ahead.prepared.judged is not None:
        return _tune_judged(job, ahead)
    if ahead.exam is None:
        return _tune_text(job)
    return _tune_answers(job, ahead.exam, trial)


def _tune_answers(job: Job, exam: Exam, trial: Sequence[Chat] | None) -> dict[str, Any]:
    """Carry out the job for answers to be learned."""
    config, run, prepared, show, stop = job.config, job.run, job.prepared, job.show, job.stop
    asked, sampling, scorers, swapped = exam.asked, exam.sampling, exam.scorers, exam.swapped
    folder = run.path / "replies"
    interview = Interview(folder, asked.prompts, sampling, scorers, show)
    twins = Interview(folder / "swaps", swapped.asked, sampling, scorers, show) if swapped else None
    shown = examples(prepared.splits.train) if trial is None else trial
    config = without_examples(config, shown, show.say)
    table = Table(config, prepared, asked, interview, shown)
    trained = train_once(config, run, prepared, show, stop, job.allow_drift)
    start = time.time()
    kept = kept_abilities(config, run, prepared, job.general, show, stop)
    sure = _ask_everyone(config, run, prepared, table, interview, stop, exam.servers, twins)
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
        report["where"] = where(answers["tuned"], report["decides"], prepared.labels, exam.by, config)
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


def _tune_judged(job: Job, ahead: Foreseen) -> dict[str, Any]:
    """Carry out the job for replies that were judged (see `whet.tune.preferring`)."""
    config, prepared, show = job.config, job.prepared, job.show
    scores_replies = prepared.method == "reward"
    groups, seen = ahead.groups, ahead.seen

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
