"""The oracle shares nothing with what it is a witness for."""

from __future__ import annotations

import ast
from pathlib import Path

import catenary.testing.oracle

FOLDER = Path(catenary.testing.oracle.__file__).parent
ALLOWED = {
    "catenary.definitions",
    "catenary.errors",
    "catenary.expressions",
    "catenary.schema",
    "catenary.testing.rows",
}


def names_imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    found = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)} | {
        alias.name
        for each in ast.walk(tree)
        if isinstance(each, ast.Import)
        for alias in each.names
    }
    return {name for name in found if name.startswith("catenary")}


def test_the_oracle_imports_definitions_types_and_the_expression_language_alone() -> None:
    files = [*FOLDER.glob("*.py"), FOLDER.parent / "rows.py"]
    assert len(files) >= 5
    for file in files:
        own = {name for name in names_imported(file) if name.startswith("catenary.testing.oracle")}
        assert names_imported(file) - own <= ALLOWED, file.name
