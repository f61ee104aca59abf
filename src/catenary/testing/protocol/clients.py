"""Who reads: anybody at any instant, and a client that has registered as a reader.

    register ──► look, go on, look … ──► leave, or outlive the registration

A registered client may rely on the head from where it stood when it registered. (protocol 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.testing.protocol.store import Reader

if TYPE_CHECKING:
    from catenary.testing.protocol.processes import Processes
    from catenary.testing.protocol.store import Dataset
    from catenary.testing.protocol.world import World

KEYS = "ab"


def follow(world: World, processes: Processes) -> None:
    """A client registers, goes on, or leaves; often while a floor is about to move."""
    rng = world.rng
    shape = rng.choice(world.shapes)
    tending = processes.tending()
    if tending and rng.random() < 0.8:
        shape = rng.choice(tending)
    dataset = world.datasets[shape.number]
    for name, reader in list(dataset.readers.items()):
        if reader.until <= world.step:
            del dataset.readers[name]
            world.trace.outside("leave", name, dataset)
            continue
        for key in KEYS:
            world.look(shape, key, reader.passed, reader)
        if rng.random() < 0.5:
            further = reader.passed + world.units.span(rng.randrange(8))
            reader.passed = max(reader.passed, min(world.now, further))
            world.trace.outside("go on", name, dataset)
    if not dataset.readers and dataset.lanes:
        register(world, dataset)


def register(world: World, dataset: Dataset) -> None:
    """A client begins at or after the floor as it finds it."""
    passed = max(0, dataset.floor()) + world.units.span(world.rng.choice((0, 3, 6, 15)))
    until = world.step + world.rng.randrange(20, 200)
    dataset.readers["client"] = Reader(passed, max(passed, dataset.floor()), until)
    dataset.registrations += 1
    world.trace.outside("register", "client", dataset)


def look(world: World) -> None:
    """A read by anybody at any instant; by a registered client, one that it may rely on."""
    rng = world.rng
    shape = rng.choice(world.shapes)
    if shape.snapshot:
        return
    dataset = world.datasets[shape.number]
    for reader in dataset.readers.values():
        if reader.until > world.step:
            at = rng.randint(
                max(reader.passed, reader.exact_from), world.now + 1 + world.units.horizon
            )
            world.look(shape, rng.choice(KEYS), at, reader)
    newest, any_time = world.now + 1, rng.randint(0, world.now + 1)
    near_the_floor = max(0, dataset.floor()) + world.units.span(rng.randrange(9))
    world.look(shape, rng.choice(KEYS), rng.choice((newest, any_time, near_the_floor)))


def look_everywhere(world: World) -> None:
    """Every key of every GroupBy, all along the time that has passed."""
    for shape in world.shapes:
        if not shape.snapshot:
            for key in KEYS:
                for at in range(world.now + 1, -1, -max(7, world.now // 25)):
                    world.look(shape, key, at)
