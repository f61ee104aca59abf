"""One entity as of one instant, as Python values: found, routed and finished without an array.

    walk ──► tiles ──► where the read ends ──► its nodes ──► its results ──► numbers and texts

What is out of the ordinary (damaged bytes, a result that Python has to finish) is left to the path of
many reads, which has words for it. The steps themselves are those of that path.

Read next: ``ranges.py`` (tiles from rows), ``routes.h``, ``answers.h``.
Held to account by: ``tests/unit/serve/test_single.py``, ``tests/property/test_tiles.py``.
"""

import cython
from cython.cimports.catenary.compiled.answers import catenary_answer_read
from cython.cimports.catenary.compiled.partials import (
    CATENARY_ASIDE,
    CATENARY_EMPTY,
    CATENARY_VALUE,
    catenary_release,
    catenary_reserve,
    catenary_spec,
    catenary_states,
)
from cython.cimports.catenary.compiled.ranges import (
    bounds_of,
    catenary_gathered,
    catenary_leave_room,
    catenary_span,
    catenary_take_room,
    catenary_tile,
    gather_into,
)
from cython.cimports.catenary.compiled.routes import (
    catenary_blocks,
    catenary_end_read,
    catenary_order_windows,
    catenary_reaches,
    catenary_route_read,
)
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.cpython.unicode import PyUnicode_DecodeUTF8
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memcpy, memset

ANCIENT = cython.declare(cython.longlong, -4611686018427387904)
LATEST = cython.declare(cython.longlong, 9223372036854775807)

numbers_type = cython.typedef(cython.pointer(cython.longlong))


@cython.cclass
class SingleReads:
    """Reads of one layout, one at a time.

    It has room for one read, which is used only where no other thread can come between.

    Args:
        specs, needs, features, window_starts, defaults_raw, triples: as `answers.read` takes them.
        windows: int64[windows, 2], length and hop.
        sizes: int64, the tiles' lengths by level.
        reach: how many milliseconds before a read events may count; -1 for all of the past.
        places: int64, where each feature stands among those that `features` lists.
        kinds: what each feature is in Python: `d`, `i`, `b`, `y`, `s` (float, int, bool, bytes, str).
        defaults: of each feature, where no value was seen and `defaults_raw` has none.
    """

    def __cinit__(
        self,
        specs: cython.const[cython.int][:, ::1],
        needs: cython.const[cython.ulonglong][::1],
        features: cython.const[cython.int][:, ::1],
        window_starts: cython.const[cython.int][::1],
        windows: cython.const[cython.longlong][:, ::1],
        defaults_raw: cython.const[cython.longlong][:, ::1],
        triples: cython.Py_ssize_t,
        sizes: cython.const[cython.longlong][::1],
        reach: cython.longlong,
        places: cython.const[cython.longlong][::1],
        kinds: str,
        defaults: tuple,
    ):
        many: cython.Py_ssize_t = features.shape[0]
        cells: cython.Py_ssize_t
        next_room: numbers_type
        self.held = (specs, needs, features, window_starts, windows, defaults_raw, sizes, places)
        self.sizes = sizes
        self.reach = reach
        self.kinds = kinds
        self.defaults = defaults
        self.windows = cython.address(windows[0, 0])
        self.places = cython.address(places[0])
        self.program.specs = cython.cast(
            cython.pointer(cython.const[catenary_spec]), cython.address(specs[0, 0])
        )
        self.program.needs = cython.address(needs[0])
        self.program.features = cython.address(features[0, 0])
        self.program.window_starts = cython.address(window_starts[0])
        self.program.defaults = cython.address(defaults_raw[0, 0])
        self.program.many = specs.shape[0]
        self.program.features_many = many
        self.program.windows = windows.shape[0]
        self.program.triples = triples
        # values, lengths, nulls; what was finished; floors, cuts; order; said, valid
        cells = 3 * many + 3 * triples + 3 * windows.shape[0] + many // 4 + 8
        self.states = catenary_states(self.program.specs, self.program.many)
        if self.states == cython.NULL or catenary_reserve(cython.address(self.room), 8 * cells):
            raise MemoryError
        next_room = cython.cast(numbers_type, self.room.data)
        memset(next_room, 0, 8 * cells)
        self.results.values = next_room
        self.results.lengths = next_room + many
        self.results.nulls = next_room + 2 * many
        next_room += 3 * many
        self.program.finished = next_room
        next_room += 3 * triples
        self.route.floors = next_room
        self.route.cuts = next_room + windows.shape[0]
        self.route.order = cython.cast(cython.p_int, next_room + 2 * windows.shape[0])
        next_room += 3 * windows.shape[0]
        self.results.said = cython.cast(cython.p_uchar, next_room)
        self.results.valid = self.results.said + many
        self.results.reads = 1

    def __dealloc__(self):
        if self.states != cython.NULL:
            catenary_release(self.states, self.program.many)
        free(self.room.data)
        free(self.columns.data)
        free(self.nodes.data)
        free(self.taken.data)
        free(self.results.side.data)
        free(self.results.items.data)

    def read(
        self,
        walk,
        prefix: bytes,
        lanes: list,
        upload: cython.longlong,
        cutoff: cython.longlong,
        uploaded: list,
        ts: cython.longlong,
    ):
        """The features of an entity, and what is to be said of them.

        Args:
            walk: gives the rows of a store from a key on, ascending.
            prefix: where the entity's rows are.
            lanes: the bytes of those that are read, ascending.
            upload: the id of the upload whose late tiles are read beside them; -1 for none.
            cutoff: milliseconds; the lanes' tiles before it are the upload's.
            uploaded: the upload's value, or None; empty if there is no upload.
            ts: milliseconds; events strictly before it count.

        Returns:
            The values in the features' order, the statuses of all tiles, whether any value was seen, a sum did
            not fit, a collapsed tile or another reached before a window, where the read ended, and whether
            closed tiles and head tiles came before that. None if the path of many reads is to say it.
        """
        found: catenary_gathered
        blocks: catenary_blocks
        failed: cython.longlong
        damaged: cython.longlong = 0
        many: cython.Py_ssize_t
        at: cython.longlong
        first: cython.longlong = ts
        since: cython.longlong
        tile: cython.Py_ssize_t
        closed: cython.bint = False
        head: cython.bint = False
        level: numbers_type
        values: list = [None] * self.program.features_many
        catenary_take_room(cython.address(found))
        try:
            while True:
                since = ANCIENT
                if self.reach >= 0 and first - self.reach > ANCIENT:
                    since = first - self.reach
                if self._gather(
                    cython.address(found), walk, prefix, lanes, upload, cutoff, uploaded, since, ts
                ):
                    return None
                # From here on no Python runs until the values are filled in: the room is ours.
                if self._spread(cython.address(found)):
                    raise MemoryError
                many = self.tiles.many
                at = catenary_end_read(
                    self.tiles.start, self.tiles.end, self.tiles.reach, 0, many, ts
                )
                if at >= first or self.reach < 0:
                    break
                first = at
                found.tiles.size = found.data.size = 0
            level = cython.cast(numbers_type, self.columns.data) + 4 * many
            for tile in range(many):
                if self.tiles.end[tile] <= at:
                    if level[tile] == 0:
                        head = True
                    else:
                        closed = True
            self.route.status = 0
            self.route.stale = 0
            self.route.cut = 0
            self.nodes.size = 0
            blocks.depth = 0
            catenary_order_windows(
                self.windows, self.program.windows, at, cython.address(self.route)
            )
            if catenary_route_read(
                self.program.windows,
                cython.address(self.tiles),
                cython.address(blocks),
                0,
                many,
                at,
                cython.address(self.route),
                cython.address(self.nodes),
                cython.address(self.taken),
            ):
                raise MemoryError
            self.results.side.size = 0
            self.results.items.size = 0
            self.results.seen = 0
            self.results.overflow = 0
            failed = catenary_answer_read(
                cython.address(self.program),
                self.states,
                cython.address(self.packed),
                cython.cast(cython.p_int, self.nodes.data),
                0,
                self.route.order,
                self.route.cuts,
                0,
                cython.address(self.results),
                cython.address(damaged),
            )
            if failed > 0:
                raise MemoryError
            if failed or not self._fill(values):
                return None
            return (
                values,
                self.route.status,
                self.results.seen != 0,
                self.results.overflow != 0,
                self.route.stale != 0,
                self.route.cut != 0,
                at,
                closed,
                head,
            )
        finally:
            catenary_leave_room(cython.address(found))

    @cython.cfunc
    @cython.exceptval(-3, check=False)
    def _gather(
        self,
        found: cython.pointer(catenary_gathered),
        walk,
        prefix: bytes,
        lanes: list,
        upload: cython.longlong,
        cutoff: cython.longlong,
        uploaded: list,
        since: cython.longlong,
        until: cython.longlong,
    ) -> cython.int:
        """The entity's tiles that a read may merge: 0, or a negative number if there is something wrong."""
        span: catenary_span
        offsets: cython.longlong[2]
        sizes: cython.const[cython.longlong][::1] = self.sizes
        span.sizes = cython.address(sizes[0])
        span.levels = sizes.shape[0]
        span.since = since
        span.until = until
        bounds: list = bounds_of(lanes, sizes, since, until, upload, cutoff)
        return gather_into(found, cython.address(span), walk, [prefix], bounds, uploaded, offsets)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _spread(self, found: cython.pointer(catenary_gathered)) -> cython.int:
        """The tiles by column, as routes and answers take them; -1 without memory."""
        many: cython.Py_ssize_t = found.tiles.size // cython.sizeof(catenary_tile)
        tile: cython.pointer(catenary_tile) = cython.cast(
            cython.pointer(catenary_tile), found.tiles.data
        )
        at: cython.Py_ssize_t
        column: numbers_type
        collapsed: cython.p_uchar
        self.columns.size = 0
        if catenary_reserve(cython.address(self.columns), 8 * (6 * many + 1) + many):
            return -1
        column = cython.cast(numbers_type, self.columns.data)
        collapsed = cython.cast(cython.p_uchar, column + 6 * many + 1)
        for at in range(many):
            column[at] = tile[at].start
            column[many + at] = tile[at].end
            column[2 * many + at] = tile[at].status
            column[4 * many + at] = tile[at].level
            column[5 * many + at] = tile[at].place
            collapsed[at] = tile[at].collapsed != 0
        column[6 * many] = found.data.size
        catenary_reaches(column + many, 0, many, column + 3 * many)
        self.tiles.start = column
        self.tiles.end = column + many
        self.tiles.status = column + 2 * many
        self.tiles.reach = column + 3 * many
        self.tiles.collapsed = collapsed
        self.tiles.many = many
        self.packed.data = found.data.data
        self.packed.offsets = column + 5 * many
        self.packed.tiles = many
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _fill(self, values: list) -> cython.bint:
        """Put in the results as Python values; False if one of them is not for here to make."""
        at: cython.Py_ssize_t
        place: cython.longlong
        number: cython.longlong
        double: cython.double
        kind: cython.Py_UCS4
        for at in range(self.program.features_many):
            place = self.places[at]
            if self.results.said[place] == CATENARY_VALUE:
                number = self.results.values[place]
                kind = self.kinds[at]
                if kind == "d":
                    memcpy(cython.address(double), cython.address(number), 8)
                    values[at] = double
                elif kind == "i":
                    values[at] = number
                elif kind == "b":
                    values[at] = number != 0
                else:
                    text = cython.cast(cython.p_char, cython.cast(cython.size_t, number))
                    size: cython.Py_ssize_t = self.results.lengths[place]
                    if kind == "y":
                        values[at] = PyBytes_FromStringAndSize(text, size)
                        continue
                    try:
                        values[at] = PyUnicode_DecodeUTF8(text, size, cython.NULL)
                    except UnicodeDecodeError:
                        return False
            elif self.results.said[place] == CATENARY_EMPTY:
                values[at] = self.defaults[at]
            elif self.results.said[place] == CATENARY_ASIDE:
                return False
        return True
