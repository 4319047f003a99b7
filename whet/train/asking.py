"""The models that graders ask, opened once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from whet.engines.endpoint import from_name
from whet.engines.named import Stoppable
from whet.engines.open import open_model
from whet.errors import EndpointError, ModelError, UsageError
from whet.scorers._grading.asking import Request
from whet.scorers._grading.grade import Said
from whet.types import Prompt


class Models:
    """Puts what graders ask to their models: base models, runs or `http://host:port/v1#model`."""

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self._say = say
        self._engines: dict[str, Stoppable] = {}
        self.between: Callable[[], None] = lambda: None  # called as they work; may raise to stop them

    def open(self, names: Iterable[str]) -> None:
        """Open every model of these names, before anything is asked.

        Raises: UsageError, naming each that cannot be had.
        """
        problems = []
        for name in names:
            if name in self._engines:
                continue
            try:
                self._engines[name] = from_name(name) or open_model(name, say=self._say).engine
            except (UsageError, ModelError, EndpointError) as error:
                way = "in the grader, name a model that whet can open: http://host:port/v1#model, a run or a base model"
                problems.append(f"model {name!r}: {error}; {way}")
        if problems:
            raise UsageError("\n".join(problems))

    def __call__(self, requests: Sequence[Request]) -> list[Said]:
        """Return what each model says, all requests of one model and sampling at once.

        Raises: Interrupted, if they were stopped.
        """
        self.open(dict.fromkeys(request.model for request in requests))
        groups = defaultdict[object, list[int]](list)
        for at, request in enumerate(requests):
            groups[request.model, request.sampling].append(at)
        found: dict[int, Said] = {}
        for places in groups.values():
            found.update(zip(places, self._said([requests[at] for at in places]), strict=True))
        return [found[at] for at in range(len(requests))]

    def _said(self, requests: Sequence[Request]) -> list[Said]:
        """Return what one model says; one that fails on all of them is asked one by one, as one may be to blame."""
        engine, sampling = self._engines[requests[0].model], requests[0].sampling
        engine.between = self.between
        prompts = [Prompt(request.messages) for request in requests]
        found = dict[int, Said]()
        try:
            found.update(engine.complete(prompts, sampling))
        except UsageError as error:  # a prompt that is too long
            if len(requests) > 1:
                return [one for request in requests for one in self._said([request])]
            return [error]
        except EndpointError as error:  # after the replies that did come
            return [found.get(at, error) for at in range(len(prompts))]
        return [found[at] for at in range(len(prompts))]
