"""A recipe of several trainings in a row: each begins with the model that the one before it made."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.config.load import apply, build, read_tree, with_paths
from whet.config.tree import Config
from whet.errors import ConfigError

KEY = "stages"


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

    def config(self, runs: Mapping[str, str]) -> Config:
        """Return its recipe, with the runs of the stages before it."""
        return build(_filled(copy.deepcopy(dict(self.tree)), runs))


def has_stages(path: Path) -> bool:
    """Say whether a recipe is one of several trainings."""
    return KEY in read_tree(path)


def stages(path: Path, overrides: Sequence[str] = (), given: Mapping[str, str] | None = None) -> list[Stage]:
    """Return the stages of a recipe in order; what stands beside `stages` holds for each that does not say otherwise.

    Overrides hold for every stage, or for one as `NAME.optim.lr=1e-5`.

    Raises:
        ConfigError: every problem of every stage at once, each with the stage and the key.
    """
    tree = with_paths(read_tree(path), path)
    listed = tree.pop(KEY)
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        raise ConfigError(f"{path}: stages is a list of recipes, each with a name, e.g. - {{name: sft, data: ...}}")
    names = [one.get("name") for one in listed]
    problems = [
        f"{path}: stages.{at}.name: {name!r} is no word of its own; give each stage a name, e.g. name: sft"
        for at, name in enumerate(names)
        if not (isinstance(name, str) and name.isidentifier()) or name in names[:at] or name in Config.model_fields
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    every = [*(f"{key}={value}" for key, value in (given or {}).items()), *overrides]
    found, runs, last = list[Stage](), dict[str, str](), ""
    for name, one in zip(names, listed, strict=True):
        mine = with_paths({key: value for key, value in one.items() if key != "name"}, path)
        settings = [said.removeprefix(f"{name}.") for said in every if _meant(said, name, names)]
        merged = apply(_over(copy.deepcopy(tree), mine), settings)
        if last and "name" not in (mine.get("model") or {}):
            merged.setdefault("model", {})["name"] = f"{{{last}}}"
        found.append(Stage(name, merged))
        try:
            found[-1].config(runs)
        except ConfigError as error:
            problems += [f"{name}: {line}" for line in str(error).splitlines()]
        runs[name] = name
        last = last if found[-1].scores else name
    if problems:
        raise ConfigError("\n".join(problems))
    return found


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
    if isinstance(value, dict):
        return {key: _filled(one, runs) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, runs) for one in value]
    if isinstance(value, str):
        for name, run in runs.items():
            value = value.replace(f"{{{name}}}", run)
    return value
