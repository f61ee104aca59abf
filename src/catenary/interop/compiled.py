"""A compiled definition of Chronon's: one file with a GroupBy or a Join, and all that it reads inside.

    production/group_bys/team/file.name ──► read ──► Compiled

What a definition reads is written out in it, however often: equal ones have one name, and the plan
takes them for one. Nothing is executed, and no other file is opened.

Held to account by: ``tests/unit/interop/test_compiled.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from catenary.definitions import Accuracy, GroupBy, Join, JoinPart, MetaData
from catenary.definitions.origin import placed
from catenary.errors import DefinitionError, UnsupportedError
from catenary.interop.derived import derivations, read_names
from catenary.interop.folds import aggregations
from catenary.interop.sources import Sources
from catenary.interop.thrift import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary.definitions import Source

Definition = GroupBy | Join
_Made = TypeVar("_Made", GroupBy, Join)

SETTINGS: Final = "spark."
"""What begins so in a definition's customJson is a setting of whoever runs it."""
_ACCURACIES: Final = (Accuracy.TEMPORAL, Accuracy.SNAPSHOT)
_NOTED: Final = {
    "backfillStartDate": "a backfill is told its first day, and computes what is missing",
    "isIncremental": "a backfill computes missing days only, in any case",
    "skewKeys": "rows of skewed keys are computed as all others are, none is removed",
    "rowIds": "there are no bootstraps to look rows up for",
}
_REFUSED: Final = {
    "onlineExternalParts": ("external parts are not there yet", "fetch them beside the Join"),
    "labelPart": ("label parts are not there yet", "compute labels in a Join of their own"),
    "bootstrapParts": ("bootstrap parts are not there yet", "backfill computes every row"),
    "modelTransforms": ("models are not run", "call the model on what is fetched"),
}


@dataclass(frozen=True)
class Compiled:
    """What one file says.

    Attributes:
        file: its path.
        definition: a GroupBy or a Join, with its name.
        settings: of whoever runs it, by name, out of customJson.
        notes: what is set and has no effect here, each with its place and the reason.
    """

    file: str
    definition: Definition
    settings: Mapping[str, object]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The definition's name."""
        assert self.definition.name is not None, "one without a name is refused"
        return self.definition.name


def read(path: str | Path, *, topic: Callable[[str], str] = str) -> Compiled:
    """The definition in a compiled file, whatever its extension.

    Args:
        path: the file.
        topic: the address of a topic, given the one that is written; as it is, unless given.

    Raises:
        DefinitionError: if there is no such file, or it holds no GroupBy and no Join.
        UnsupportedError: for a field that changes values and has no like here.
    """
    file = str(path)
    try:
        data: Any = json.loads(Path(path).read_bytes())
    except OSError as error:
        problem = f"the compiled definition cannot be read: {error.strerror}"
        hint = "Chronon's compiler writes them: production/group_bys/TEAM/FILE.NAME"
        raise DefinitionError(problem, where=file, hint=hint) from None
    except ValueError as error:
        hint = "a definition's Python file is compiled first; what that wrote is read"
        raise DefinitionError(f"this is no JSON: {error}", where=file, hint=hint) from None
    kind = _kind(data, file)
    reader = _Reader(topic)
    top = Struct.of(kind, data, file)
    definition = reader.group_by(top) if kind == "GroupBy" else reader.join(top)
    about = top.struct("metaData", "MetaData")
    settings = {} if about is None else _settings(about)
    return Compiled(file, definition, settings, tuple(reader.notes))


def is_compiled(path: str | Path) -> bool:
    """Whether a file or a folder holds compiled definitions, rather than Python."""
    place = Path(path)
    if place.is_dir():
        return not any(place.rglob("*.py")) and any(_files(place))
    return place.is_file() and place.suffix != ".py"


def read_all(path: str | Path) -> dict[str, Definition]:
    """The definitions in a compiled file, or in all files below a folder, by name.

    Of a folder with `group_bys` or `joins` in it, as the compiler writes it, only those are read.

    Raises:
        DefinitionError, UnsupportedError: as `read`; and for two different definitions of one name.
    """
    place = Path(path)
    found: dict[str, Definition] = {}
    for file in _files(place) if place.is_dir() else [place]:
        compiled = read(file)
        other = found.setdefault(compiled.name, compiled.definition)
        if other != compiled.definition:
            problem = f"two different definitions are named {compiled.name!r}"
            where = f"{other.where} and {compiled.file}"
            raise DefinitionError(problem, where=where, hint="compile both again, or remove one")
    return found


def _files(folder: Path) -> list[Path]:
    kinds = [folder / kind for kind in ("group_bys", "joins") if (folder / kind).is_dir()]
    files = [each for kind in kinds or [folder] for each in kind.rglob("*") if each.is_file()]
    return sorted(files)


def _kind(data: object, file: str) -> str:
    """Whether it is a GroupBy or a Join, by the field that only the one of them has."""
    fields = set(cast("dict[str, Any]", data)) if isinstance(data, dict) else set[str]()
    if "keyColumns" in fields:
        return "GroupBy"
    if "left" in fields:
        return "Join"
    others = {"groupBy": "what Chronon serves a GroupBy by", "inferenceSpec": "a Model"}
    others["query"] = "a StagingQuery"
    found = next((what for name, what in others.items() if name in fields), "something else")
    raise UnsupportedError(
        f"this is {found}, no GroupBy and no Join",
        where=file,
        hint="name a file below group_bys or joins",
    )


def _settings(about: Struct) -> dict[str, object]:
    return {k: v for k, v in about.json("customJson").items() if k.startswith(SETTINGS)}


class _Reader:
    """Reads definitions inside each other, and collects what has no effect."""

    def __init__(self, topic: Callable[[str], str]) -> None:
        self.notes: list[str] = []
        self._sources = Sources(self.join, topic, self._note)

    def group_by(self, given: Struct) -> GroupBy:
        name, about = _metadata(given)
        self._note_all(given, name)
        accuracy = given.number("accuracy")
        if accuracy is not None and not 0 <= accuracy < len(_ACCURACIES):
            problem = f"accuracy={accuracy} is neither 0 (temporal) nor 1 (snapshot)"
            raise DefinitionError(problem, where=given.place("accuracy"))
        sources = [self._sources.source(each) for each in given.structs("sources", "Source")]
        folds, derived = aggregations(given), derivations(given)
        with placed(given.place()):
            return GroupBy(
                name,
                sources=sources,
                keys=given.texts("keyColumns"),
                aggregations=folds,
                accuracy=None if accuracy is None else _ACCURACIES[accuracy],
                derivations=derived,
                metadata=about,
            )

    def join(self, given: Struct) -> Join:
        name, about = _metadata(given)
        self._note_all(given, name)
        for field, (why, instead) in _REFUSED.items():
            given.refuse(field, why, instead)
        left = self._sources.source(given.needed("left", "Source"))
        parts = [self._part(each) for each in given.structs("joinParts", "JoinPart")]
        derived = derivations(given)
        # Any column of the left may be read there; ours are told which.
        read = read_names(derived)
        carried = [each for each in _selected(left) if each.lower() in read]
        with placed(given.place()):
            return Join(
                name,
                left=left,
                parts=parts,
                derivations=derived,
                contextual=carried,
                metadata=about,
            )

    def _part(self, given: Struct) -> JoinPart:
        group_by = self.group_by(given.needed("groupBy", "GroupBy"))
        with placed(given.place()):
            return JoinPart(
                group_by, key_mapping=given.mapping("keyMapping"), prefix=given.text("prefix")
            )

    def _note_all(self, given: Struct, name: str) -> None:
        for field, why in _NOTED.items():
            if given.held.get(field):
                self._note(f"{field} of {name}", why)

    def _note(self, what: str, why: str) -> None:
        note = f"{what} has no effect: {why}"
        if note not in self.notes:
            self.notes.append(note)


def _selected(left: Source) -> tuple[str, ...]:
    return tuple(left.query.selects or ())


def _metadata(given: Struct) -> tuple[str, MetaData]:
    """A definition's name, and what is said about it."""
    about = given.needed("metaData", "MetaData")
    name = about.text("name") or about.lacks("name", "Chronon's compiler writes it")
    custom = about.json("customJson")
    tags = custom.get("groupby_tags" if given.kind == "GroupBy" else "join_tags") or {}
    if not isinstance(tags, dict):
        problem = f"tags are {tags!r}, not a mapping"
        raise DefinitionError(problem, where=about.place("customJson"))
    words = {name: str(value) for name, value in cast("dict[str, Any]", tags).items()}
    return name, MetaData(about.text("team") or "", about.text("description") or "", words)
