"""Pages that are read anew each time are answered in time, whatever the store does."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from catenary.web.application import Reads, json_reply
from catenary.web.refusals import RefusedError, Reply


def test_a_page_is_what_was_read() -> None:
    with ThreadPoolExecutor(1) as pool:
        get = Reads(pool, 30.0).page(lambda: [1, 2], json_reply)

        async def asked() -> Reply:
            return await get(None)

        assert asyncio.run(asked()).body == b"[1,2]"


def test_probes_of_a_silent_store_are_answered_however_many_there_are() -> None:
    heard = threading.Event()

    async def asked() -> None:
        reads = Reads(pool, 0.02)
        told = reads.page(lambda: heard.wait(60), json_reply, json_reply)
        refused = reads.page(lambda: heard.wait(60), json_reply)
        for reply in await asyncio.gather(*[told(None) for _ in range(20)]):
            assert reply.body == b'"the store did not answer within 0.02 s"'
        with pytest.raises(RefusedError, match="did not answer") as error:
            await refused(None)
        assert error.value.status == 503

    with ThreadPoolExecutor(2) as pool:
        try:
            asyncio.run(asked())
        finally:
            heard.set()
