"""Dead letters of a project: listed, dismissed when somebody has dealt with them, opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.app.versions import check_held
from catenary.errors import DataError
from catenary.state.layouts import dataset_name
from catenary.stream.lanes import now_ms
from catenary.stream.letters import dismiss, letters_of, reopen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.ports import Dataset
    from catenary.stream.letters import Letter

ALL: Final = "all"


def datasets_of(live: Live, names: Sequence[str]) -> dict[str, str]:
    """Whose letters are meant, each with its dataset: GroupBys as they are now, or as they were.

    Args:
        live: the project's live half.
        names: GroupBys that follow topics, or `NAME@FINGERPRINT`; all of the former without any.

    Raises:
        DataError: if there is none of that name.
    """
    if not names:
        return {node.name: dataset_name(node) for node in live.stages}
    found: dict[str, str] = {}
    for name in names:
        if "@" in name:
            check_held(live.store, name)
            found[name] = name
        else:
            found[name] = dataset_name(live.group_by(name))
    return found


def dead_letters(live: Live, name: str) -> list[Letter]:
    """What was set aside in a dataset, what was dismissed included."""
    dataset = live.store.dataset(name)
    if dataset is None:
        return []
    with dataset.snapshot() as snapshot:
        return list(letters_of(snapshot))


def dismissed(
    live: Live, of: Mapping[str, str], places: Sequence[str], note: str = ""
) -> dict[str, list[Letter]]:
    """Dismiss letters of some GroupBys, by name those that were.

    Args:
        live: the project's live half.
        of: whose letters, as `datasets_of` tells them.
        places: `topic/partition:offset` of their records, or `all`.
        note: why.

    Raises:
        DataError: for a place of which none of them has an open letter; nothing is dismissed then.
    """
    at_ms = now_ms()

    def change(dataset: Dataset, wanted: Callable[[Letter], bool]) -> list[Letter]:
        return dismiss(dataset, wanted, at_ms=at_ms, note=note)

    return _changed(live, of, places, change, is_open=True)


def reopened(live: Live, of: Mapping[str, str], places: Sequence[str]) -> dict[str, list[Letter]]:
    """Open dismissed letters again; as `dismissed`."""
    return _changed(live, of, places, reopen, is_open=False)


def _changed(
    live: Live,
    of: Mapping[str, str],
    places: Sequence[str],
    change: Callable[[Dataset, Callable[[Letter], bool]], list[Letter]],
    *,
    is_open: bool,
) -> dict[str, list[Letter]]:
    letters = [each for name in of.values() for each in dead_letters(live, name)]
    known = {each.place for each in letters if each.is_open == is_open}
    for place in places:
        if place not in {ALL, *known}:
            word = "open" if is_open else "dismissed"
            raise DataError(
                f"no {word} dead letter is of {place!r}",
                hint="`catenary dead-letters` lists them; write topic/partition:offset, or all",
            )

    def wanted(each: Letter) -> bool:
        return ALL in places or each.place in places

    datasets = {shown: live.store.dataset(name) for shown, name in of.items()}
    return {
        name: [] if dataset is None else change(dataset, wanted)
        for name, dataset in datasets.items()
    }
