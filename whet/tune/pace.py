"""How many questions a decision can ask in its time: answers are tried before all of them are asked for."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from whet.config.tree import Config
from whet.data.preflight import LONGEST_REPLY
from whet.data.read import read
from whet.data.split import draw_prompts, prompts
from whet.engines.open import open_model
from whet.runs.run import Run
from whet.tune.trial import FEWEST, JUDGE, Rows
from whet.types import Progress, Sampling

FILE = "pace.json"
PROBED = 16  # answers that are tried
SHARE = 0.6  # of the time that the ways without training may take; the rest is for training
ASKED = 7  # plain answers' worth of time that a question costs in all ways, as prompts with examples are long
CHOOSING = 375  # the same, of all validation questions by which wordings, examples and passages are chosen
PLAIN = 5  # what a question costs where nothing is chosen and no other wording is tried


@dataclass(frozen=True, slots=True)
class Pace:
    """How many questions judge, and whether ways to ask are chosen among. Units: seconds, of a plain answer."""

    judge: int
    choosing: bool
    seconds: float

    def settings(self) -> dict[str, Any]:
        """Return what it says of `eval`."""
        fixed = {} if self.choosing else {"shots": 3, "passages": 1}
        return {"limit": self.judge, **fixed}

    def sentence(self, rows: Rows) -> str:
        """Return in words what there is no time for; nothing where there is time for all."""
        if self.judge >= rows.judge and self.choosing:
            return ""
        fewer = f"{self.judge:,} of {rows.judge:,} questions are asked" if self.judge < rows.judge else ""
        plain = "" if self.choosing else "no other wordings, numbers of examples or passages are tried"
        what = " and ".join(filter(None, (fewer, plain)))
        return f"an answer takes about {self.seconds:.2g} s, so in the time that there is {what}; --minutes gives more"


def pace(config: Config, run: Run, rows: Rows, show: Progress) -> Pace:
    """Return what there is time for, measured once for a run on a few plain answers of the base model."""
    if (run.path / FILE).exists():
        return Pace(**run.read_json(FILE))
    engine = open_model(config.model.name, config.model, show.say).engine
    asked = draw_prompts(prompts(read(rows.folder / JUDGE, config.data).examples), PROBED)
    longest = max(len(engine.renderer.encode(target)) + 1 for prompt in asked for target in prompt.targets)
    sampling = Sampling(max_tokens=config.eval.max_tokens or min(LONGEST_REPLY, 8 * -(-longest // 8)))
    begun = time.monotonic()
    for _ in engine.complete(asked, sampling):
        pass
    found = afforded((time.monotonic() - begun) / len(asked), rows.judge, 60 * config.decide.minutes)
    run.write_json(FILE, asdict(found))
    if said := found.sentence(rows):
        show.say(said)
    return found


def afforded(answer: float, judge: int, budget: float) -> Pace:
    """Return how many of `judge` questions can be asked. Units: seconds, of a plain answer and of the whole trial."""
    answers = SHARE * budget / max(answer, 1e-9)
    choosing = answers >= CHOOSING + ASKED * min(judge, 2 * FEWEST)
    fit = (answers - CHOOSING) / ASKED if choosing else answers / PLAIN
    return Pace(max(min(FEWEST, judge), min(judge, int(fit))), choosing, answer)
