"""The reference of the config tree, made from the docstrings under its fields."""

from pydantic import BaseModel

from whet.config.tree import Config


def reference() -> str:
    """Return docs/config.md: every key, its type, its default and what it does."""
    lines = [
        "# Every key",
        "",
        "Set a key in a recipe (YAML), or on the command line as `section.key=value`. Unknown keys are errors.",
        "On the command line, text is taken as it stands (`null` or nothing leaves its key open, quotes around all of",
        "it are taken off), and other values are read as YAML.",
    ]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            title = (section.__doc__ or "").strip().splitlines()[0]
            lines += ["", f"## {name}", "", title, "", "| key | default | what |", "|---|---|---|"]
            lines += [
                _row(f"{name}.{key}", inner.default, inner.description) for key, inner in section.model_fields.items()
            ]
    plain = [(n, f) for n, f in Config.model_fields.items() if not _is_section(f.annotation)]
    lines += ["", "## At the top", "", "| key | default | what |", "|---|---|---|"]
    lines += [_row(name, field.default, field.description) for name, field in plain]
    return "\n".join(lines) + "\n"


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _row(key: str, default: object, what: str | None) -> str:
    shown = "" if "Undefined" in type(default).__name__ else default
    return f"| `{key}` | `{shown}` | {' '.join((what or '').split()).replace('|', '/')} |"
