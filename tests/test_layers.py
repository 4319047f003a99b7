"""The shape of the house: imports point down, files and functions stay small, rooms keep their dependencies."""

import ast
from pathlib import Path

import pytest

ROWS = [  # lowest first; a package may import only from rows above its own in this list
    {"errors", "types", "phrases"},
    {"plugins", "pages"},
    {"config"},
    {"data", "scorers", "runs"},
    {"models"},
    {"methods"},
    {"engines", "evals"},
    {"train"},
    {"tune"},
    {"cli"},
]
ROW = {package: row for row, packages in enumerate(ROWS) for package in packages}
ROOMS = {
    "peft": {"models/adapt.py", "models/adapters.py", "models/lora.py"},
    "transformers": {
        "models/adapt.py",
        "models/load.py",
        "models/policy.py",
        "models/gguf.py",
        "models/which.py",
        "models/work.py",
        "models/packed.py",
        "models/quantized.py",
        "models/scoring.py",
    },
    "bitsandbytes": {"models/quantized.py", "train/optim.py"},
    "bm25s": {"engines/nearest.py"},
    "matplotlib": {"pages/figures.py"},
    "sklearn": {"data/checks/label_error.py"},
    "typer": {"cli/main.py", "cli/data.py"},
    "openai": {"engines/endpoint.py"},
    "jsonschema": {"scorers/json_schema.py"},
    "regex": {"scorers/regex.py"},
    "rapidfuzz": {"scorers/_grading/similarity.py"},
    "pypdf": {"data/documents/pdf.py"},
    "fsspec": {"data/remote/stores.py"},
    "pyarrow": {"data/parquet_rows.py", "data/unpack.py"},
}
TORCH_FREE = {"errors", "types", "phrases", "plugins", "pages", "config", "data", "scorers", "runs"}
SOURCE = Path(__file__).parents[1] / "whet"
FILES = sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return every module this file names in an import, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def home(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_downwards(path):
    here = home(path)
    if here not in ROW:
        return  # whet/__init__.py is the shop window and may name anything
    ours = {module.split(".")[1] for module in imported(path) if module.startswith("whet.")}
    upward = {package for package in ours - {here} if ROW[package] >= ROW[here]}
    assert not upward, f"{here} must not import {sorted(upward)}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_each_heavy_dependency_has_one_room(path):
    for module in imported(path):
        room = ROOMS.get(module.split(".")[0])
        assert room is None or name(path) in room, f"{module} belongs into {sorted(room or ())}"
        assert module.split(".")[0] != "torch" or home(path) not in TORCH_FREE, "torch starts in models/"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 360, "split the file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 62, f"{node.name} is too long"


def test_every_public_name_says_what_it_is():
    bare = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        for node in [tree, *(n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef))]:
            private = getattr(node, "name", "").startswith("_")
            if not private and not ast.get_docstring(node):
                bare.append(f"{name(path)}:{getattr(node, 'name', 'module')}")
    assert not bare
