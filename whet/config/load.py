"""From a YAML recipe and `key=value` overrides to one frozen Config, all problems at once."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from whet.config.adapters import unheard
from whet.config.places import beside, hidden, remote, without_secrets
from whet.config.section import listed
from whet.config.tree import Config
from whet.errors import ConfigError

_GRADER = re.compile(r".+\.(json|ya?ml)(\s*\*[^*]*)?", re.IGNORECASE)  # a file, with its weight
_SETTING = re.compile(r"[\w.]+=")
NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)  # ValueError: a date that is none


class _Loader(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands twice, of which YAML would keep the last alone."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """See yaml.SafeLoader."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                where = f"on line {lines[key.value]} and on line {line}"
                raise yaml.YAMLError(f"{key.value!r} stands twice, {where}; put both into one")
            lines[key.value] = line
        return node


def _yaml(text: str) -> Any:
    return yaml.load(text, _Loader)


def _short(error: Exception) -> str:
    return "brackets are nested too deep" if isinstance(error, RecursionError) else str(error)


def load(path: str | Path | None, overrides: Sequence[str] = (), given: Mapping[str, str] | None = None) -> Config:
    """Return the recipe at `path` (None: all defaults) with dotted overrides applied, e.g. "optim.lr=1e-5".

    `given` are further overrides whose values are text as it stands, whatever it looks like. Paths in the recipe's
    data section, and those of graders, are relative to the recipe; `hub:` names and URLs are not.

    Raises:
        ConfigError: every problem at once, one per line, each naming its key.
    """
    tree = {} if path is None else with_paths(read_tree(Path(path)), Path(path))
    for key, value in (given or {}).items():
        section, _, leaf = key.partition(".")
        inner = tree.setdefault(section, {})
        if isinstance(inner, dict):
            inner[leaf] = value
    return build(apply(tree, overrides))


def with_paths(tree: dict[str, Any], recipe: Path) -> dict[str, Any]:
    """Return a recipe whose data and graders are named as seen from here, not from the recipe."""
    if isinstance(data := tree.get("data"), dict):
        for key in ("train", "validation", "test"):
            if isinstance(data.get(key), str):
                data[key] = beside(recipe, data[key])
        for source in data["mix"] if isinstance(data.get("mix"), list) else ():
            if isinstance(source, dict) and isinstance(source.get("path"), str):
                source["path"] = beside(recipe, source["path"])
    for section, key in (("method", "rewards"), ("eval", "scorers")):
        inner = tree.get(section)
        names = listed(inner.get(key)) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(names, list):
            inner[key] = [
                beside(recipe, name) if isinstance(name, str) and _GRADER.fullmatch(name) else name for name in names
            ]
    return tree


def load_saved(path: Path) -> Config:
    """Return the resolved tree that a run kept; its paths are as they were when the run was started."""
    return build(read_tree(path))


def read_tree(path: Path) -> dict[str, Any]:
    """Return the recipe as plain dictionaries."""
    try:
        tree = _yaml(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the recipe: {error}") from None
    except NOT_YAML as error:
        raise ConfigError(f"{path}: not valid YAML: {_short(error)}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of sections, not {type(tree).__name__}")
    return tree


def apply(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `tree` with every "a.b=value" written into it.

    The value of a key that takes text is that text as it stands (null or nothing leaves the key open, and quotes around
    all of it are not part of it); others are read as YAML.
    """
    problems = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            problems.append(f"{override!r}: write an override as key=value, e.g. optim.lr=1e-4")
            continue
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                child = node[parent] = {}
            node = child
        try:
            node[leaf] = text(value) if _takes_text(key.split(".")) else scalar(value)
        except NOT_YAML as error:
            shown = value if len(value) <= 80 else f"{value[:80]}..."
            problems.append(f"{key}: {shown!r} is not valid YAML: {_short(error)}")
    if problems:
        raise ConfigError("\n".join(problems))
    return tree


def is_setting(argument: str) -> bool:
    """Say whether an argument is KEY=VALUE, not a file: a path may have = too, but not so soon."""
    return bool(_SETTING.match(argument)) and not remote(argument) and not Path(argument).exists()


def text(value: str) -> str | None:
    """Return text as it stands, without quotes around it; None if it is null or nothing."""
    if value.strip() in ("", "null", "~"):
        return None
    if value[0] in "'\"" and value[-1] == value[0]:
        try:
            read = _yaml(value)
        except NOT_YAML:
            return value
        return read if isinstance(read, str) else value
    return value


def _takes_text(key: Sequence[str]) -> bool:
    kind: Any = Config
    for part in key:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
            kind = kind.model_fields[part].annotation
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            return False
    return kind is str or kind == str | None


def scalar(value: str) -> Any:
    """Return a YAML value, with 1e-4 read as the number people mean (YAML 1.1 calls it a string)."""
    read = _yaml(value)
    if isinstance(read, str):
        try:
            return float(read)
        except ValueError:
            return read
    return read


def build(tree: dict[str, Any]) -> Config:
    """Return the validated, frozen Config of a plain tree.

    Raises:
        ConfigError: one line per problem, each with its key; an unknown key names its nearest neighbours.
    """
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                lines.append(f"{key}: no such key{_nearest(problem['loc'])}")
            else:
                lines.append(without_secrets(f"{key}: {problem['msg']}, not {problem['input']!r}"))
        raise ConfigError("\n".join(lines)) from None
    if shown := [f"{key}: {why}" for key, name in named(config) if (why := hidden(name))]:
        raise ConfigError("\n".join(shown))
    if told := unheard(config.adapter, config.model):
        raise ConfigError("\n".join(told))
    if (config.data.fold or 0) >= (config.data.folds or 1):
        known = f"0 to {config.data.folds - 1}" if config.data.folds else "data.folds says into how many parts"
        raise ConfigError(f"data.fold: {config.data.fold} is not one of the parts; {known}")
    return config


def named(config: Config) -> list[tuple[str, str]]:
    """Return every key that names data, and the name."""
    data = config.data
    sides = [(f"data.{key}", name) for key in ("train", "validation", "test") if (name := getattr(data, key))]
    return sides + [(f"data.mix.{at}.path", source.path) for at, source in enumerate(data.mix or ())]


def _nearest(where: tuple[int | str, ...]) -> str:
    section: type[BaseModel] = Config
    for part in where[:-1]:
        inner = section.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        section = inner
    known = list(section.model_fields)
    near = difflib.get_close_matches(str(where[-1]), known)
    return f"; did you mean {', '.join(near)}?" if near else f"; this section knows {', '.join(known)}"


def dump(config: Config) -> str:
    """Return the whole resolved tree as YAML, enough to repeat the run."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def digest(config: Config) -> str:
    """Return the sha256 of what the resolved tree says; a key left open, as one that is new in whet, says nothing."""
    said = config.model_dump(mode="json", exclude_none=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
