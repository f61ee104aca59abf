"""The protocol's rules as switches, and each of them turned the other way.

A model in which nothing fails shows little unless it fails without a rule: every variant here must be
caught by some schedule. What each leaves out is one field of `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple


@dataclass(frozen=True)
class Rules:
    """What a stage and its store hold to. All true is the protocol.

    Attributes:
        fenced: a commit holds only for the lane's epoch and from its stored position (1).
        atomic: position and tiles are committed together (1).
        reads_are_snapshots: a read takes closed and head tiles from one instant (5).
        cut_after_read: the cut is asked of the log after the batch was read (10).
        late_parent_is_told: a batch that went on before its parents says so (11).
        position_is_the_logs: the position behind a batch is past control records (words).
        floor_is_aligned: the floor is a multiple of the base tile (4).
        floor_waits: the floor stays behind registered readers, children among them (4).
        floor_heeds_registrations: it moves only if nobody registered since it was worked out.
        floor_never_falls: (4).
        begins_together: all lanes of a GroupBy begin with the first copy that takes some of them.
        holds_for_new_children: a planned child's parents keep their heads to its cut-off (4).
        holds_for_unfinished_days: or to what its tables had come to, where that is before the cut-off.
        replaces: a tile that was merged into a longer one is gone.
        rolls_up_late: tiles are merged once no window can begin inside the longer one.
        rolls_up_whole_buckets: and that is counted from the longer tile's end.
        removes_late: tiles are removed only when no read can reach them (retention).
        removal_is_told: reads that reach behind what was removed say so.
        removal_is_told_by_reach: by the first instant that they cover, not by their own.
        beginning_is_told: reads by an upload older than a lane's beginning say so.
        whole_tiles_only: a read never takes a tile that ends after its instant (6).
        settles: an upload is read only when late events of all lanes are beside it (7).
        diverts_once_settled: but not before, for settling brings all up to the position then.
        settling_waits: rows that are replayed wait for their parents as any batch does (11).
        settling_leaves_letters: what is a dead letter is left to the letter's own replay.
        diverts_late: events that an upload lacks go on into its late tiles (7).
        marks_late_tiles: what is set aside marks late tiles, too (16).
        decides_at_commit: which uploads a batch's rows are late to is decided as it commits (7).
        begins_at_the_beginning: a lane begins where its log does, whatever the tables had.
        children_tabled_first: an upload's own events were in its tables before its parents' were read.
        staleness_is_told: an older snapshot's answer is `stale_batch` (8).
        aside_is_told: a row that was set aside marks its key's tile (16).
        inherits: a row has the statuses of the reads that it was enriched with (16).
        knows_incarnations: a position of another incarnation stops the stage (17).
    """

    fenced: bool = True
    atomic: bool = True
    reads_are_snapshots: bool = True
    cut_after_read: bool = True
    late_parent_is_told: bool = True
    position_is_the_logs: bool = True
    floor_is_aligned: bool = True
    floor_waits: bool = True
    floor_heeds_registrations: bool = True
    floor_never_falls: bool = True
    begins_together: bool = True
    holds_for_new_children: bool = True
    holds_for_unfinished_days: bool = True
    replaces: bool = True
    rolls_up_late: bool = True
    rolls_up_whole_buckets: bool = True
    removes_late: bool = True
    removal_is_told: bool = True
    removal_is_told_by_reach: bool = True
    beginning_is_told: bool = True
    whole_tiles_only: bool = True
    settles: bool = True
    diverts_once_settled: bool = True
    settling_waits: bool = True
    settling_leaves_letters: bool = True
    diverts_late: bool = True
    marks_late_tiles: bool = True
    decides_at_commit: bool = True
    begins_at_the_beginning: bool = True
    children_tabled_first: bool = True
    staleness_is_told: bool = True
    aside_is_told: bool = True
    inherits: bool = True
    knows_incarnations: bool = True


PROTOCOL: Final = Rules()


class Variant(NamedTuple):
    """A rule turned the other way.

    Attributes:
        rule: the field of `Rules` that is false.
        kind: of world in which that shows soonest.
    """

    rule: str
    kind: str = "wild"


VARIANTS: Final = {
    "two owners commit": Variant("fenced"),
    "position committed apart from tiles": Variant("atomic"),
    "torn reads": Variant("reads_are_snapshots"),
    "cut before read": Variant("cut_after_read", "haste"),
    "proceed without status": Variant("late_parent_is_told"),
    "frontier is the last record + 1": Variant("position_is_the_logs"),
    "unaligned floor": Variant("floor_is_aligned"),
    "floor waits for nobody": Variant("floor_waits"),
    "floor moves over a new reader": Variant("floor_heeds_registrations", "readers"),
    "floor that falls": Variant("floor_never_falls", "letters"),
    "new child without held head": Variant("holds_for_new_children"),
    "new child's upload of an unfinished day": Variant("holds_for_unfinished_days", "settling"),
    "lane that a child has not taken yet": Variant("begins_together", "settling"),
    "head and tile counted twice": Variant("replaces"),
    "roll-up too early": Variant("rolls_up_late"),
    "roll-up by the short tile's end": Variant("rolls_up_whole_buckets"),
    "retention too early": Variant("removes_late"),
    "removal not told": Variant("removal_is_told"),
    "removal told by the read's instant": Variant("removal_is_told_by_reach"),
    "older upload than the lane": Variant("beginning_is_told", "settling"),
    "glimpse of the future": Variant("whole_tiles_only"),
    "upload swapped over late events": Variant("settles", "settling"),
    "late events not diverted": Variant("diverts_late", "settling"),
    "late events diverted and settled": Variant("diverts_once_settled", "settling"),
    "settling waits for nobody": Variant("settling_waits", "settling"),
    "dead letter settled and replayed": Variant("settling_leaves_letters", "letters"),
    "set aside before the cut-off": Variant("marks_late_tiles", "letters"),
    "uploads looked up before the commit": Variant("decides_at_commit", "settling"),
    "lane starts at the inclusion frontier": Variant("begins_at_the_beginning", "settling"),
    "parents' tables filled before the child's": Variant("children_tabled_first"),
    "older snapshot without status": Variant("staleness_is_told"),
    "set aside in silence": Variant("aside_is_told", "letters"),
    "statuses end at the row": Variant("inherits"),
    "incarnation ignored": Variant("knows_incarnations"),
}
"""The mistake in words, and the rule that it leaves out."""


def without(rule: str) -> Rules:
    """The protocol without one rule.

    >>> without("fenced").fenced, without("fenced").atomic
    (False, True)
    """
    return replace(PROTOCOL, **{rule: False})
