"""The doctor: what a run suffers from, told while it trains, in its report, and by `whet doctor RUN`.

It reads what a run has logged and changes nothing: training ends for divergence alone (see `whet.train.watch`).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from whet.config.load import load_saved
from whet.config.tree import Config
from whet.runs.run import Run
from whet.train.ailments import drawn, judged, learning
from whet.train.ailments._base import ENOUGH, Alarm, Figures, numbers

EVERY, SHARE = 10, 0.05
"""Steps between two looks while training, at least, and as a share of the steps so far: what looking costs then grows
with the steps and not with their square."""
TWICE = 2  # looks in a row that an ailment has to show itself at before it is told: half a trend may pass

AILMENTS: tuple[Callable[[Figures], Alarm | None], ...] = (
    learning.divergence, learning.overfitting, learning.gradient_spikes, learning.rate_too_low,
    learning.nothing_learned,
    judged.displacement, judged.saturation, judged.far_from_start, judged.no_preference, judged.all_alike,
    judged.drifting_scores,
    drawn.dead_groups, drawn.unscored, drawn.endless, drawn.length_drift, drawn.reward_hacking,
    drawn.entropy_collapse, drawn.policy_away, drawn.stale, drawn.clipping, drawn.reward_scale, drawn.blind_values,
)  # fmt: skip
"""Everything that is looked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was found.

    `steps` and `validations` are counts, `figures` the names of what was logged, `method` what learned.
    """

    steps: int
    validations: int
    figures: tuple[str, ...]
    method: str
    alarms: tuple[Alarm, ...]

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        if self.alarms:
            return f"{', '.join(alarm.name for alarm in self.alarms)} ({self._looked()})"
        if self.steps < ENOUGH:
            return f"too few steps to tell: {self.steps} of the {ENOUGH} that it takes"
        return f"no alarm ({self._looked()})"

    def _looked(self) -> str:
        plural = "" if self.validations == 1 else "s"
        return f"{self.steps:,} steps and {self.validations} validation{plural} looked at"

    def as_dict(self) -> dict[str, Any]:
        """Return it as `--json` and the report have it."""
        return {**asdict(self), "sentence": self.sentence}


def examine(figures: Figures) -> list[Alarm]:
    """Return an alarm for every ailment that shows, the grave ones first."""
    found = [alarm for ailment in AILMENTS if (alarm := ailment(figures))]
    return sorted(found, key=lambda alarm: alarm.severity != "grave")


def figures_of(run: Run, config: Config | None = None, report: Mapping[str, Any] | None = None) -> Figures:
    """Return what a run has logged so far, whatever became of it.

    Raises:
        RunError, ConfigError: its files are damaged.
    """
    events = [line for line in run.read("events") if isinstance(line, dict)]
    plans = [line["plan"] for line in events if isinstance(line.get("plan"), dict)]
    last = events[-1] if events else {}
    steps, validations = ([line for line in run.read(name) if isinstance(line, dict)] for name in ("metrics", "evals"))
    return Figures(
        steps=steps,
        validations=validations,
        config=config or load_saved(run.path / "config.yaml"),
        planned=int(numbers(plans[-1:], "steps")[0]) if numbers(plans[-1:], "steps") else 0,
        failed=str(last.get("what", "")) if last.get("event") == "failed" else "",
        report=report or {},
    )


def look_at(run: Run, config: Config | None = None, report: Mapping[str, Any] | None = None) -> Finding:
    """Return what the doctor finds in a run: one that is under way, stopped, failed or finished.

    `report`: what it came to; by default what its report.json says, if there is one.

    Raises:
        RunError, ConfigError: its files are damaged.
    """
    if report is None and (run.path / "report.json").is_file():
        found = run.read_json("report.json")
        report = found if isinstance(found, dict) else {}
    figures = figures_of(run, config, report)
    alarms = tuple(examine(figures))
    return Finding(len(figures.steps), len(figures.validations), tuple(figures.names()), figures.method, alarms)


@dataclass(slots=True)
class Watch:
    """Looks at a run now and then while it trains, and tells every alarm once, whenever it was resumed.

    `say` tells a person; `seen` counts the looks in a row at which an ailment showed itself.
    """

    run: Run
    config: Config
    say: Callable[[str], None]
    due: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def look(self, step: int) -> None:
        """Look if it is time to."""
        if not self.due:
            self.due = step + EVERY - 1
        if step >= self.due:
            self.due = step + max(EVERY, round(SHARE * step))
            self._tell(step, TWICE)

    def last_look(self, step: int) -> None:
        """Look at all there is, once training has come to its end."""
        self._tell(step, 1)

    def _tell(self, step: int, often: int) -> None:
        alarms = {alarm.name: alarm for alarm in examine(figures_of(self.run, self.config))}
        self.seen = {name: self.seen.get(name, 0) + 1 for name in alarms}
        if not alarms:
            return
        told = {line.get("ailment") for line in self.run.read("events") if line.get("event") == "alarm"}
        for name, alarm in alarms.items():
            if name not in told and self.seen[name] >= often:
                self.run.log("events", event="alarm", step=step, ailment=name, what=alarm.sentence())
                self.say(f"alarm at step {step}: {alarm.sentence()}")
