"""Write a folder with a worked chain of features, its data and its test.

Both run at once: `catenary backfill` and `pytest` in that folder. Nothing is overwritten.
"""

import runpy
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.errors import DefinitionError, StorageError

SUFFIX = ".txt"  # the starter's files are not part of the package, so they are not named as modules


def command(
    folder: Annotated[Path, typer.Argument(help="the folder to write; it must be new or empty")],
    *,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Write the starter and make its data."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problem = f"{str(folder)!r} is there already and is not empty"
        raise DefinitionError(problem, hint="name a new folder; nothing is overwritten")
    written = write_starter(folder)
    if json:
        emit({"folder": str(folder), "files": written})
        return
    say(f"{folder} holds a worked chain:")
    for name in written:
        say(f"  {name}")
    say(f"next: cd {folder}; catenary plan; catenary backfill; pytest")


def write_starter(folder: Path) -> list[str]:
    """The names of the files that were written, the data made by `sample_data.py` last.

    Raises:
        StorageError: if the disk refuses.
    """
    names: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted(files("catenary.cli").joinpath("starter").iterdir(), key=str):
            name = source.name.removesuffix(SUFFIX)
            (folder / name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
            names.append(name)
        runpy.run_path(str(folder / "sample_data.py"), run_name="__main__")
    except OSError as error:
        problem = f"the folder cannot be written: {error.strerror or error}"
        raise StorageError(problem, where=str(error.filename or folder)) from error
    return [*names, "tables/"]
