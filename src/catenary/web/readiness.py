"""Whether a server may be asked: its store can be read, and what it serves was uploaded or streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.errors import CatenaryError
from catenary.state.layouts import dataset_name
from catenary.state.records import lanes_of, uploads_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from catenary.plan import GroupByNode
    from catenary.ports import Store


def lacking(store: Store, groups: Collection[GroupByNode]) -> list[str]:
    """What stands in the way of answers, as sentences; empty when nothing does.

    Args:
        store: that is read.
        groups: every GroupBy that an answer may read.
    """
    found: list[str] = []
    for node in groups:
        try:
            dataset = store.dataset(dataset_name(node))
            if dataset is None:
                found.append(f"{node.name} has no data: upload it, or stream it")
                continue
            with dataset.snapshot() as snapshot:
                uploads, _ = uploads_of(snapshot)
                lanes = lanes_of(snapshot)
        except CatenaryError as error:
            found.append(f"{node.name} cannot be read: {error.problem}")
            continue
        if not (uploads.active or lanes):
            found.append(f"{node.name} has no data: its upload has not landed")
    return found
