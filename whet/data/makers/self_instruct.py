"""New tasks in the manner of some that are there (Wang et al. 2022, "Self-Instruct", arXiv:2212.10560)."""

from whet.data.makers import Bench, Discard, Making, ask, exchange_of, said
from whet.types import Chat, Example

__all__ = ["self_instruct"]

NEEDS = "questions with answers, as seeds"
SHOWN = 3


def self_instruct(example: Example, bench: Bench) -> Making:
    """A new task like each row and three others, and its answer."""
    seeds = [one for one in bench.others if isinstance(one, Chat) and one.source != example.source]
    shown = [example, *bench.draw.sample(seeds, min(SHOWN, len(seeds)))]
    tasks = [exchange_of(one)[0][-1].content.strip() for one in shown]
    listed = "\n".join(f"{number}. {' '.join(task.split())[:400]}" for number, task in enumerate(tasks, 1))
    reply = yield ask(
        f"Here are {len(tasks)} tasks:\n{listed}\n\nWrite one more task of this kind, about something else. "
        "Reply with the task only.",
        128,
    )
    task = said(said(reply).removeprefix(f"{len(tasks) + 1}.").strip().split("\n\n")[0])
    if task.lower() in {one.lower() for one in tasks}:
        raise Discard("the task is one of those shown")
    if len(task.split()) < 3:
        raise Discard("the task is too short")
    answer = said((yield ask(task, 384)))
    return [{"prompt": task, "completion": answer}]
