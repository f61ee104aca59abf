"""A folder of Python files, and the named definitions that it holds."""

from __future__ import annotations

import importlib.util
import sys
from copy import copy
from pathlib import Path
from typing import TypeVar

from catenary.definitions.group_by import GroupBy
from catenary.definitions.join import Join, JoinPart
from catenary.definitions.mistakes import mending
from catenary.definitions.source import JoinSource, Source
from catenary.errors import CatenaryError, DefinitionError

Definition = GroupBy | Join


def load(path: str | Path) -> dict[str, Definition]:
    """All GroupBys and Joins of a file, or of the `.py` files below a folder, by name.

    A definition without `name=` is named `<module>.<variable>`; parts and parents that are such
    variables get the same name wherever they are referred to.

    Raises:
        DefinitionError: if a file cannot be imported (names the file and line), if nothing is
            defined, or if two different definitions have one name.
    """
    # Whole paths throughout: that is how Python names a module's file, whatever the folder it runs in.
    root = Path(path).resolve()
    if not root.exists():
        raise DefinitionError(
            f"no file or folder {str(path)!r}",
            hint="`catenary init` writes one; --definitions, or the setting, names another, such as production",
        )
    files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
    base = root if root.is_dir() else root.parent
    files = [file for file in files if not file.name.startswith(("test_", "conftest"))]
    found: list[tuple[str, Definition]] = []
    sys.path.insert(0, str(base))
    try:
        for file in files:
            module = ".".join(file.relative_to(base).with_suffix("").parts)
            found += [
                (f"{module}.{variable}", each) for variable, each in _definitions(module, file)
            ]
    finally:
        sys.path.remove(str(base))
    # A definition is named after the module that wrote it, not one that imports it.
    found.sort(key=lambda pair: not pair[1].where.startswith(f"{base / _file(pair[0])}:"))
    names: dict[int, str] = {}
    for fallback, each in found:
        names.setdefault(id(each), each.name or fallback)
    loaded: dict[str, Definition] = {}
    for _, each in found:
        named = _Namer(names).definition(each)
        assert named.name is not None
        if loaded.setdefault(named.name, named) != named:
            problem = f"two different definitions are named {named.name!r}"
            raise DefinitionError(problem, where=f"{loaded[named.name].where} and {named.where}")
    if not loaded:
        raise DefinitionError(f"{str(path)!r} defines no GroupBy and no Join")
    return loaded


def _definitions(module: str, file: Path) -> list[tuple[str, Definition]]:
    """The module's variables that hold definitions, imported ones too."""
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None, file
    assert spec.loader is not None, file
    loaded = sys.modules.get(module)
    if loaded is None or getattr(loaded, "__file__", None) != str(file):
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
        except CatenaryError:
            sys.modules.pop(module, None)
            raise
        except Exception as error:
            sys.modules.pop(module, None)
            line = _line_in(error, str(file))
            text = error.msg if isinstance(error, SyntaxError) else str(error)
            problem = f"{file.name} cannot be imported: {type(error).__name__}: {text}"
            hint = mending(error, vars(loaded)) or f"`python {file.name}` shows where it comes from"
            raise DefinitionError(problem, where=f"{file}:{line}", hint=hint) from error
    return [(name, value) for name, value in vars(loaded).items() if isinstance(value, Definition)]


def _file(name: str) -> Path:
    """The file, relative to the folder, of `<module>.<variable>`."""
    return Path(*name.split(".")[:-1]).with_suffix(".py")


def _line_in(error: Exception, file: str) -> int:
    """The last line of `file` that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class _Namer:
    """Copies of definitions in which everything that `names` knows by identity has its name."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.done: dict[int, Definition] = {}

    def definition(self, each: Definition) -> Definition:
        if id(each) not in self.done:
            named = self.group_by(each) if isinstance(each, GroupBy) else self.join(each)
            self.done[id(each)] = named
        return self.done[id(each)]

    def group_by(self, each: GroupBy) -> GroupBy:
        sources = tuple(self.source(source) for source in each.sources)
        return _changed(each, name=self.names.get(id(each), each.name), sources=sources)

    def join(self, each: Join) -> Join:
        parts = tuple(
            _changed(part, group_by=self.definition(part.group_by)) for part in each.parts
        )
        name = self.names.get(id(each), each.name)
        return _changed(each, name=name, left=self.source(each.left), parts=parts)

    def source(self, each: Source) -> Source:
        if isinstance(each, JoinSource):
            return _changed(each, join=self.definition(each.join))
        return each


_Frozen = TypeVar("_Frozen", GroupBy, Join, JoinPart, JoinSource)


def _changed(frozen: _Frozen, **changes: object) -> _Frozen:
    """A copy with other values; unlike `dataclasses.replace` it keeps where the original was written."""
    copied = copy(frozen)
    for name, value in changes.items():
        object.__setattr__(copied, name, value)
    return copied
