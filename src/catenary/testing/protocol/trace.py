"""What happened in a schedule, step by step: to read a failure, and to lead a real stage the same way.

    publish, mark, land,          what came from outside
    register, go on, leave
    take, read, cut, wait, ready, what a copy did, with the offsets that it chose
    enrich, commit, settle, tend, after each that wrote: the dataset's summary
    replay

A real stage that is given the same inputs and made to take the same steps must have the same summary
after each of them. One that is led along hears of each step as it is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.testing.protocol.store import Dataset


class Step(NamedTuple):
    """One thing that happened.

    Attributes:
        copy: the number of the copy that took it; 0 for the world outside.
        shape: the number of its GroupBy; -1 for what concerns none.
        name: of the step.
        detail: what was chosen, and what came of it.
        after: the dataset's summary, if the step wrote.
    """

    copy: int
    shape: int
    name: str
    detail: object
    after: dict[str, object] | None = None

    def __str__(self) -> str:
        who = f"copy {self.copy} of {self.shape}" if self.copy else "outside"
        return f"{who}: {self.name} {self.detail}"


class Trace:
    """Steps in order; keeps nothing unless it is asked to.

    Attributes:
        steps: so far.
        follower: is told each.
    """

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self.steps: list[Step] = []
        self.follower: Callable[[Step], None] | None = None

    def outside(self, name: str, detail: object, dataset: Dataset | None = None) -> None:
        """Something came from outside."""
        if self.kept:
            shape = -1 if dataset is None else dataset.shape.number
            after = None if dataset is None else dataset.summary()
            self._add(Step(0, shape, name, detail, after))

    def told(
        self, copy: int, dataset: Dataset, name: str, detail: object, *, wrote: bool = False
    ) -> None:
        """A copy took a step."""
        if self.kept:
            after = dataset.summary() if wrote else None
            self._add(Step(copy, dataset.shape.number, name, detail, after))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        if self.follower is not None:
            self.follower(step)

    def __str__(self) -> str:
        return "\n".join(f"{at:4d} {step}" for at, step in enumerate(self.steps))
