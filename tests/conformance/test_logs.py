"""Every log keeps to `ports.Log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.logs.embedded import EmbeddedLog
from catenary.testing.logs import LogConformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.ports.log import Log
    from catenary.testing.services.kafka import KafkaBroker


class OfAFolder(LogConformance):
    durability = "power"

    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self._logs: dict[Path, EmbeddedLog] = {}
        yield
        for each in self._logs.values():
            each.close()

    def opened(self, folder: Path) -> Log:
        # One process appends through one log object; readers may be others.
        if folder not in self._logs:
            self._logs[folder] = EmbeddedLog(folder, durability=self.durability)
        return self._logs[folder]


class TestEmbeddedSurvivingPower(OfAFolder):
    pass


class TestEmbeddedSurvivingProcesses(OfAFolder):
    durability = "process"


@pytest.mark.kafka
class TestKafka(LogConformance):
    @pytest.fixture(autouse=True)
    def _on_a_broker(self, kafka: KafkaBroker) -> Iterator[None]:
        self._address = kafka.address
        self._logs: list[Log] = []
        yield
        for each in self._logs:
            each.close()

    def opened(self, folder: Path) -> Log:
        from catenary.logs.kafka import KafkaLog

        log = KafkaLog(self._address)
        self._logs.append(log)
        return log
