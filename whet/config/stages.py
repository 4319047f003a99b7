"""A recipe of several trainings in a row: each begins with the model that the one before it made."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.config.adapters import VIRTUAL
from whet.config.load import apply, build, read_tree, with_paths
from whet.config.tree import Config
from whet.errors import ConfigError

KEY = "stages"
BASE = "model.name="
OF_MODELS = (
    ("model", "name"), ("method", "teacher"), ("method", "rewards"), ("eval", "judge"), ("eval", "endpoints"),
)  # fmt: skip
"""Keys that name models, in which {NAME} stands for the run of an earlier stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One training of several. `tree` is its recipe; {NAME} in it stands for the run of an earlier stage."""

    name: str
    tree: Mapping[str, Any]

    @property
    def scores(self) -> bool:
        """Whether it makes a model that scores replies, with which no other stage can begin."""
        method = self.tree.get("method")
        return isinstance(method, dict) and method.get("name") == "reward"

    @property
    def folds(self) -> bool:
        """Whether its adapter is a change of the weights, which another stage can begin with."""
        adapter = self.tree.get("adapter")
        return not (isinstance(adapter, dict) and adapter.get("kind") in VIRTUAL)

    def config(self, runs: Mapping[str, str]) -> Config:
        """Return its recipe, with the runs of the stages before it."""
        tree = copy.deepcopy(dict(self.tree))
        for section, key in OF_MODELS:
            inner = tree.get(section)
            if isinstance(inner, dict) and key in inner:
                inner[key] = _filled(inner[key], runs)
        return build(tree)

    def kept(self, config: Config, runs: Mapping[str, str]) -> Config:
        """Return a recipe of it that was kept, with the runs of earlier stages where they are now."""
        now = self.config(runs)
        for section, key in OF_MODELS:
            if self.says(section, key, runs):
                its = getattr(config, section).model_copy(update={key: getattr(getattr(now, section), key)})
                config = config.model_copy(update={section: its})
        return config

    def says(self, section: str, key: str, names: Collection[str]) -> list[str]:
        """Return which of these stages a key speaks of."""
        inner = self.tree.get(section)
        said = str(inner.get(key)) if isinstance(inner, dict) else ""
        return [name for name in names if f"{{{name}}}" in said]


def has_stages(path: Path) -> bool:
    """Say whether a recipe is one of several trainings."""
    return KEY in read_tree(path)


def stages(path: Path, overrides: Sequence[str] = (), given: Mapping[str, str] | None = None) -> list[Stage]:
    """Return the stages of a recipe in order; what stands beside `stages` holds for each that does not say otherwise.

    Overrides hold for every stage, or for one as `NAME.optim.lr=1e-5`; `model.name=` is what the first begins with.

    Raises:
        ConfigError: every problem of every stage at once, each with the stage and the key.
    """
    tree = with_paths(read_tree(path), path)
    listed = _listed(tree.pop(KEY), path)
    names = [one["name"] for one in listed]
    every = [*(f"{key}={value}" for key, value in (given or {}).items()), *overrides]
    found, last = list[Stage](), ""
    for one in listed:
        name = one.pop("name")
        mine = with_paths(one, path)
        settings = [said for said in every if _meant(said, name, names) and not (last and said.startswith(BASE))]
        merged = _over(copy.deepcopy(tree), mine)
        own, model = mine.get("model"), merged.setdefault("model", {})
        if last and isinstance(model, dict) and not (isinstance(own, dict) and "name" in own):
            model["name"] = f"{{{last}}}"
        found.append(Stage(name, apply(merged, [said.removeprefix(f"{name}.") for said in settings])))
        last = last if found[-1].scores else name
    return checked(found)


def saved_stages(path: Path) -> list[Stage]:
    """Return the stages that a run kept; their paths are as they were when it was started.

    Raises:
        ConfigError: as `stages`; or the file is damaged.
    """
    tree = read_tree(path)
    if KEY not in tree:
        raise ConfigError(f"{path}: has no {KEY}; restore it, or start a new run")
    return checked([Stage(one.pop("name"), one) for one in _listed(tree[KEY], path)])


def checked(found: list[Stage]) -> list[Stage]:
    """Return the stages if their settings are sound and what they begin with, or learn from, is made before them.

    Raises:
        ConfigError: every problem of every stage at once, each with the stage and the key.
    """
    problems = list[str]()
    for at, stage in enumerate(found):
        try:
            stage.config({one.name: one.name for one in found[:at]})
        except ConfigError as error:
            problems += [f"{stage.name}: {line}" for line in str(error).splitlines()]
        problems += [f"{stage.name}: {line}" for line in _unmet(stage, found[:at], found[at:])]
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def _unmet(stage: Stage, before: Sequence[Stage], after: Sequence[Stage]) -> list[str]:
    """Return what a stage asks of others that they do not give."""
    problems, earlier = list[str](), {one.name: one for one in before}
    for section, key in OF_MODELS:
        where = f"{section}.{key}"
        for name in stage.says(section, key, [one.name for one in after]):
            problems.append(f"{where}: {{{name}}} is no stage before it; name an earlier one, or move it up")
        for name in stage.says(section, key, earlier):
            if key == "rewards" and not earlier[name].scores:
                problems.append(f"{where}: {name} scores no replies; name a stage with method.name=reward")
            elif key != "rewards" and earlier[name].scores:
                problems.append(f"{where}: {name} scores replies and says none; name a stage that learns to answer")
            elif where == "model.name" and not earlier[name].folds:
                problems.append(
                    f"{where}: {name} trains virtual tokens, which are no change of the weights, so nothing can begin "
                    f"with it; set another {name}.adapter.kind"
                )
    return problems


def _listed(value: Any, path: Path) -> list[dict[str, Any]]:
    """Return the recipes of a list of stages, each a copy of its own: YAML may give two the same section."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"{path}: stages is a list of recipes, each with a name, e.g. - {{name: sft, data: ...}}")
    names = [one.get("name") for one in value]
    problems = [
        f"{path}: stages.{at}.name: {name!r} is no word of its own; give each stage a name, e.g. name: sft"
        for at, name in enumerate(names)
        if not (isinstance(name, str) and name.isidentifier()) or name in names[:at] or name in Config.model_fields
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return [copy.deepcopy(one) for one in value]


def _meant(setting: str, name: str, names: Sequence[str]) -> bool:
    first = setting.partition(".")[0]
    return first == name or first not in names


def _over(tree: dict[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shared recipe with a stage's own settings in it."""
    for key, value in mine.items():
        inner = tree.get(key)
        tree[key] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    return tree


def _filled(value: Any, runs: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_filled(one, runs) for one in value]
    if isinstance(value, str):
        for name, run in runs.items():
            value = value.replace(f"{{{name}}}", run)
    return value
