"""The room map, held by a machine because drift there is silent.

A room imports only rooms on lower floors; rooms on one floor are strangers. Beside it stands which
room may import which heavy library. Imports under `TYPE_CHECKING` bind nothing and are not counted.
The map below is the whole of the rule: a new room enters it together with its first module.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "catenary"

FLOORS = {
    "catenary": 12,  # the package's own files: public names, opened when they are asked for
    "cli": 11,
    "web": 10,
    "demo": 10,
    "app": 9,
    "testing": 9,
    "engines": 8,
    "tables": 7,
    "logs": 7,
    "stores": 7,
    "stream": 6,
    "serve": 6,
    "state": 5,
    "ports": 4,
    "rows": 4,
    "plan": 3,
    "interop": 3,
    "definitions": 2.5,
    "aggregate": 2,
    "expressions": 2,
    "codecs": 2,
    "windows": 1,
    "compiled": 1,
    "wakes": 1,
    "schema": 0.5,
    "errors": 0,
}

# Narrower than the floors: what must not be imported though it lies below.
FORBIDDEN = {
    "engines": {"tables"},  # engines work on ports; only the app chooses adapters
    "testing/oracle": {"aggregate", "compiled", "windows", "engines"},  # an independent witness
}

ABOVE_PORTS = {
    "ports", "rows", "state", "stream", "serve", "tables", "logs", "stores", "engines", "app",
    "testing", "demo", "web", "catenary",
}  # fmt: skip
OWNERS = {
    "pyarrow": {"schema", "aggregate", "codecs", "expressions"} | ABOVE_PORTS,
    "numpy": {
        "schema",
        "compiled",
        "aggregate",
        "codecs",
        "rows",
        "state",
        "stream",
        "serve",
        "logs",
        "engines",
        "demo",
    },
    "polars": {"expressions", "app"},
    "pandas": {"app"},
    "sqlglot": {"expressions"},
    "duckdb": {"demo"},
    "typer": {"cli"},
    "rich": {"cli", "demo"},
    "msgspec": {"app", "codecs", "plan", "state", "web"},
    "xxhash": {"plan"},
    "lmdb": {"stores"},
    "google": {"codecs"},
    "grpc_tools": set(),
    "uvicorn": {"web"},
    "httptools": {"web"},
    "prometheus_client": {"app", "web"},
    "opentelemetry": {"app"},
    "confluent_kafka": {"logs", "testing"},
    "redis": {"stores"},
    "Cython": set(),
    "cython": {"compiled"},
    "pyspark": set(),
    "hypothesis": set(),
    "pytest": set(),
}

FILES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(file.relative_to(PACKAGE)) for file in FILES]


def room_of(file: Path) -> str:
    """The room that a file of the package lies in."""
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "catenary"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names that are imported at run time, at whatever depth, with their lines."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            assert isinstance(node, ast.If)
            yield from imports(ast.Module(body=node.orelse, type_ignores=[]))
            continue
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from (
                (name, node.lineno) for name in (names if module == "catenary" else [module])
            )
        yield from imports(node)


def violations(file: Path, source: str) -> list[str]:
    """What a file imports against the map, as sentences."""
    room = room_of(file)
    place = file.relative_to(PACKAGE).as_posix()
    found: list[str] = []
    for name, line in imports(ast.parse(source)):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top in OWNERS and room not in OWNERS[top]:
            found.append(f"{place}:{line} imports {top}, which {sorted(OWNERS[top])} own")
        if top != "catenary" or target not in FLOORS or target == room:
            continue
        if FLOORS[target] >= FLOORS[room]:
            found.append(f"{place}:{line} {room} imports {target}, which is not below it")
        for scope, refused in FORBIDDEN.items():
            if place.startswith(scope) and target in refused:
                found.append(f"{place}:{line} {scope} must not import {target}")
    return found


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_a_room_imports_only_rooms_below_it_and_libraries_it_owns(file: Path) -> None:
    assert violations(file, file.read_text()) == []


def test_every_room_is_in_the_map_and_says_what_it_is_for() -> None:
    rooms = {file.relative_to(PACKAGE).parts[0] for file in FILES if file.parent != PACKAGE}
    assert rooms == FLOORS.keys() - {"catenary"}
    for room in rooms - {"compiled"}:
        assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())), room


def test_the_map_refuses_what_it_should() -> None:
    def refused(place: str, source: str) -> bool:
        return bool(violations(PACKAGE / place, source))

    assert refused("plan/build.py", "import catenary.engines")
    assert refused("plan/build.py", "def f():\n    from catenary.app import Settings")
    assert refused("aggregate/kernel.py", "from catenary import expressions")
    assert refused("engines/embedded/run.py", "from catenary.tables import parquet")
    assert refused("testing/oracle/fold.py", "from catenary.windows import DAY_MS")
    assert refused("definitions/join.py", "import pyarrow as pa")
    assert not refused("testing/rows.py", "from catenary.windows import DAY_MS")
    assert refused(
        "plan/nodes.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import catenary.app",
    )
    assert not refused(
        "plan/nodes.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import catenary.engines",
    )
