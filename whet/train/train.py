"""One training run, from prepared rows to a finished model: the table of contents."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whet.config.tree import Config
from whet.errors import Interrupted
from whet.methods._base import Method
from whet.methods._judged import Steps
from whet.methods._rollout import FromRewards
from whet.models.adapt import learned, parameter_counts
from whet.models.checkpoint import (
    Checkpoint,
    folder_of,
    optimizer_tensors,
    random_state,
    restore_random,
    save,
)
from whet.models.export import write_model
from whet.models.policy import Policy
from whet.models.quantized import packed
from whet.models.ranks import follow
from whet.models.scoring import Scoring, write_scoring
from whet.models.work import matrix_rate, peak_memory
from whet.runs.run import Run
from whet.train import optim
from whet.train.about import about_model
from whet.train.begin import copy_of_start, policy_of, precision
from whet.train.doctor import Watch
from whet.train.drift import check_drift
from whet.train.fit import Pace, Record, fit, validation_loss
from whet.train.journey import Journey, best_weights, load_weights, resume
from whet.train.learn import method_of
from whet.train.plan import Plan, make
from whet.train.prepare import Prepared
from whet.train.room import Room, Rows, room
from whet.train.stop import Stop
from whet.train.watch import Divergence, verdict_on_curve
from whet.types import Progress

AT_RISK_S = 300  # the most work, in seconds, that a run of default settings loses when it is killed


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training run.

    Units: seconds of the steps alone; tokens are real ones, padding excluded; peak_memory_bytes of this process (on a
    GPU, of its tensors); matrix_rate_share is the matrix products made in those seconds over those that this machine
    could have made (both in FLOP).
    """

    steps: int
    best_step: int
    rows: int
    tokens: int
    trained_tokens: int
    seconds: float
    loss: tuple[float, ...]  # of the first step and of the last
    validation: tuple[tuple[int, float], ...]
    curve: str
    peak_memory_bytes: int = 0  # runs that were trained before this was measured lack it, and the next
    matrix_rate_share: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name, as `--json` prints them."""
        speed = self.tokens / self.seconds if self.seconds else 0.0
        return {
            "steps": self.steps,
            "best_step": self.best_step,
            "rows": self.rows,
            "tokens": self.tokens,
            "trained_tokens": self.trained_tokens,
            "seconds": round(self.seconds, 2),
            "tokens_per_second": round(speed, 1),
            "peak_memory_bytes": self.peak_memory_bytes,
            "matrix_rate_share": float(f"{self.matrix_rate_share:.3g}"),
            "loss": list(self.loss),
            "validation": [list(pair) for pair in self.validation],
            "curve": self.curve,
        }


def train(
    config: Config, run: Run, prepared: Prepared, show: Progress, stop: Stop, *, allow_drift: bool = False
) -> Trained:
    """Carry out one training run, or what is left of it, and write its best model to run/model.

    Raises:
        TrainingError: non-finite or diverged. Interrupted: stopped on request. FitError: the disk or the memory is.
        DriftError: the run was begun with other data, template, weights or settings.
    """
    check_drift(config, run, prepared, allow_drift)
    plan = make(config, prepared.count, prepared.hidden, prepared.method)
    policy, begun = policy_of(config, run, prepared, plan.steps), copy_of_start(config, run, prepared)
    if prepared.rewards:
        prepared.rewards.load()
    longest = prepared.largest
    held = room(policy, config.optim, Rows(longest, longest * plan.rows), run)
    parameters = learned(policy.model)
    optimizer = optim.build_optimizer(parameters, config.optim, plan.lr, config.adapter.lora_plus)
    follow(policy.model, optimizer)
    journey = resume(run, parameters, optimizer, partial(_tell, run, show))
    steps = Steps(plan.rows, held.tokens, config.seed, policy.packs)
    method = method_of(config, prepared, steps, policy, run, show, stop, begun)
    validates = prepared.validation is not None
    course = Course(config, run, plan, policy, parameters, optimizer, journey, method, validates, stop)
    _announce(run, show, policy, plan, held, prepared)
    about = about_model(config, prepared)  # while the data are still those that were read
    course.go(show)
    return _finish(course, prepared, about, show)


@dataclass(frozen=True, slots=True)
class Course:
    """A run under way."""

    config: Config
    run: Run
    plan: Plan
    policy: Policy
    parameters: dict[str, Any]
    optimizer: torch.optim.Optimizer
    journey: Journey
    method: Method
    validates: bool  # whether rows are held out for it
    stop: Stop
    random: dict[str, Tensor] = field(default_factory=dict)  # the generators' state when the step under way began
    saved: list[float] = field(default_factory=lambda: [time.monotonic()])  # when the last checkpoint was written

    def go(self, show: Progress) -> None:
        """Take the steps that are left; validate and save as planned; stop early or when asked."""
        journey, plan, stop = self.journey, self.plan, self.stop
        if self.validates and (math.isinf(journey.best) or journey.due):
            self.validate()
            self.save()
        elif not journey.step:  # what is left if the first steps go wrong
            self.save()
        doctor = Watch(self.run, self.config, show.say)
        show.begin("training", plan.steps)
        show.skip(journey.step)
        if journey.worse >= self.config.eval.patience:
            return
        divergence = Divergence(plan.lr, journey.seen)
        for record in _timed(self._recorded(), journey):
            self.run.log("metrics", **record.row())
            if not isinstance(self.method, FromRewards):  # whose loss says nothing of how good the replies are
                divergence.see(record.step, record.loss)
            due = record.step == plan.steps or record.step % plan.validate_every == 0
            if due and self.validates:
                self.validate()
            if due or self.save_due(record.step) or stop.asked:
                self.save()
            show.advance(1, _note(record, journey))
            doctor.look(record.step)
            stop.check(str(self.run.path))
            if journey.worse >= self.config.eval.patience:
                show.say(f"stopped early at step {record.step}: {journey.worse} validations without a better loss")
                return

    def _recorded(self) -> Iterator[Record]:
        """Yield the records; what stops while a step's rows are being made leaves a checkpoint of the step before."""
        try:
            yield from self.records()
        except Interrupted:
            self.optimizer.zero_grad()
            self.save()
            raise

    def save_due(self, step: int) -> bool:
        """Say whether a checkpoint is to be written after this step, whatever else happens after it."""
        every = self.config.save.every
        return step % every == 0 if every else time.monotonic() - self.saved[0] > AT_RISK_S

    def records(self) -> Iterator[Record]:
        """Yield one record per optimizer step that is left."""
        plan, settings, done = self.plan, self.config.optim, self.journey.step
        rate = partial(optim.rate, total=plan.steps, peak=plan.lr, warmup=plan.warmup, schedule=settings.schedule)
        batches = islice(self.method.steps(done), plan.steps - done)
        pace = Pace(done, rate, settings.clip, self.between)
        return fit(self.policy, self.method, batches, self.optimizer, self.parameters, pace)

    def between(self, place: int) -> None:
        """Stop in the middle of a step if asked: the step is given up and will be taken again, from its start."""
        if place == 0:
            self.random.update(random_state(self.policy.device))
        if self.stop.asked:
            self.optimizer.zero_grad()
            restore_random(self.random, self.policy.device)
            self.save()
            self.stop.check(str(self.run.path))

    def validate(self) -> None:
        """Measure the validation loss and remember whether it is the best so far.

        A stop in here leaves a checkpoint that says that this validation is still due.
        """
        journey = self.journey
        journey.due = True
        try:
            loss, metrics = validation_loss(
                self.policy, self.method, self.method.held(), lambda: self.stop.check(str(self.run.path))
            )
        except Interrupted:
            self.save()
            raise
        journey.due = False
        self.run.log("evals", step=journey.step, loss=loss, **metrics)
        if loss < journey.best:
            journey.best, journey.best_step, journey.worse = loss, journey.step, 0
        else:
            journey.worse += 1

    def save(self) -> None:
        """Write a checkpoint of this moment, unless it is there."""
        journey = self.journey
        if folder_of(self.run.path, journey.step).exists():
            return
        state = {name: getattr(journey, name) for name in Journey.__slots__}
        state["best"] = None if math.isinf(journey.best) else journey.best
        checkpoint = Checkpoint(
            journey.step,
            {name: p.detach().cpu().contiguous() for name, p in self.parameters.items()},
            optimizer_tensors(self.optimizer, self.parameters),
            random_state(self.policy.device),
            state,
        )
        best = journey.best_step if self.validates else None
        save(self.run.path, checkpoint, keep=self.config.save.keep, protect=best)
        self.saved[:] = [time.monotonic()]


def _scored(course: Course, prepared: Prepared) -> Callable[[Path], None] | None:
    """Return what writes a model that scores, if it is one."""
    policy = course.policy
    if not isinstance(policy, Scoring) or not prepared.judged:
        return None
    probe = torch.tensor(prepared.judged[0].rows[0].ids)
    renderer, base = prepared.renderer, prepared.base.folder
    return lambda folder: write_scoring(policy, course.config.adapter, base, folder, renderer.padding(), probe)


def _tell(run: Run, show: Progress, text: str) -> None:
    run.log("events", event="checkpoint", what=text)
    show.say(text)


def _timed(records: Iterator[Record], journey: Journey) -> Iterator[Record]:
    while True:
        start = time.perf_counter()
        record = next(records, None)
        if record is None:
            return
        journey.seconds += time.perf_counter() - start
        journey.step = record.step
        journey.tokens += record.tokens
        journey.trained += round(record.trained)
        journey.flop += record.flop
        yield record


def _note(record: Record, journey: Journey) -> str:
    best = "" if math.isinf(journey.best) else f" | best validation {journey.best:.3f}"
    return f"loss {record.loss:.3f}{best} | {journey.tokens / journey.seconds:,.0f} tokens/s"


def _announce(run: Run, show: Progress, policy: Policy, plan: Plan, held: Room, prepared: Prepared) -> None:
    training, total = parameter_counts(policy.model)
    dtype = str(next(policy.model.parameters()).dtype).removeprefix("torch.")
    if any(map(packed, policy.model.modules())):
        dtype += " with linear layers in nf4"
    weights = f"{training:,} of {total:,} weights train, {dtype} on {policy.device.type}"
    said = f"{plan.sentence(prepared.count)}; {weights}; up to {held.tokens:,} tokens at a time"
    if held.recompute:
        said += f", {held.recompute} of {len(policy.layers)} layers computed twice to save memory"
    show.say(said)
    run.log("events", event="plan", what=said, plan=plan.as_dict(), packs=policy.packs, room=asdict(held))


def _finish(course: Course, prepared: Prepared, about: dict[str, Any], show: Progress) -> Trained:
    """Put the best weights back, write the finished model and say what came of it."""
    run, journey = course.run, course.journey
    if weights := best_weights(run, journey, partial(_tell, run, show)):
        load_weights(course.parameters, weights)
    best = journey.best_step if prepared.validation else journey.step
    losses = [entry["loss"] for entry in run.read("metrics")]
    validations = [(entry["step"], entry["loss"]) for entry in run.read("evals")]
    curve = verdict_on_curve(validations, losses, journey.step < course.plan.steps)
    show.say(curve)
    Watch(run, course.config, show.say).last_look(journey.step)
    device = course.policy.device
    dtype = precision(course.config, run, device)
    about = {**about, "dtype": str(dtype).removeprefix("torch."), "device": device.type, "step": best}
    write_model(course.policy.finished(), run.path / "model", prepared.base, about, _scored(course, prepared))
    possible = matrix_rate(dtype, device) * journey.seconds
    return Trained(
        steps=journey.step,
        best_step=best,
        rows=prepared.count,
        tokens=journey.tokens,
        trained_tokens=journey.trained,
        seconds=journey.seconds,
        peak_memory_bytes=peak_memory(device),
        matrix_rate_share=journey.flop / possible if possible else 0.0,
        loss=(*losses[:1], *losses[-1:]),
        validation=tuple(validations),
        curve=curve,
    )
