"""Which log a topic lies in."""

from __future__ import annotations

from pathlib import Path

import pytest

from catenary.app.logs import Place, makes_topics, open_log, place_of, resolve
from catenary.app.settings import Settings
from catenary.errors import DefinitionError, SettingsError
from catenary.logs.embedded import EmbeddedLog
from catenary.ports.token import SourcePartition


def settings(folder: Path = Path(), **given: str) -> Settings:
    return Settings.load(folder, flags=given, environment={})


def test_a_topic_lies_where_its_address_says() -> None:
    held = settings()
    assert place_of(held, "log:///shop/orders") == place_of(held, "orders") == Place()
    assert place_of(held, "kafka://b:9093/orders") == Place("b:9093")
    assert place_of(held, "kafka://b/orders") == place_of(held, "orders/host=b") == Place("b:9092")


def test_a_topic_whose_address_says_nothing_lies_where_the_setting_says() -> None:
    held = settings(log="kafka://a:1?kafka.security.protocol=SSL")
    secure = {"security.protocol": "SSL"}
    assert place_of(held, "orders") == place_of(held, "kafka://orders") == Place("a:1", secure)
    assert place_of(held, "orders?kafka.x=1") == Place("a:1", {**secure, "x": "1"})
    assert place_of(held, "kafka://b:2/orders") == Place("b:2"), "another cluster has its own"
    assert not makes_topics(held, "orders")
    assert makes_topics(settings(), "orders")


def test_options_of_the_client_come_from_the_address_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "client.properties").write_text("# secret\nsasl.password=a=b\n\nx = 1\n")
    held = settings(tmp_path, kafka_config="client.properties")
    address = "kafka://b:2/orders?kafka.x=2&codec=avro"
    assert place_of(held, address) == Place("b:2", {"sasl.password": "a=b", "x": "2"})
    assert resolve(address)[0] == "orders"
    (tmp_path / "client.properties").write_text("sasl.password\n")
    with pytest.raises(SettingsError, match=r"line 1 of client\.properties is no option"):
        place_of(held, address)


def test_files_that_options_name_lie_below_the_project(tmp_path: Path) -> None:
    (tmp_path / "client.properties").write_text(
        "ssl.key.location=/etc/key\nssl.ca.location=probe\n"
    )
    held = settings(tmp_path, kafka_config="client.properties")
    found = place_of(held, "kafka://b:2/orders?kafka.ssl.certificate.location=own.pem")
    own = str((tmp_path / "own.pem").resolve())
    assert found.options == {
        "ssl.key.location": "/etc/key",
        "ssl.ca.location": "probe",
        "ssl.certificate.location": own,
    }


@pytest.mark.parametrize(
    ("log", "address"),
    [
        ("kafka://a:1?kafka.sasl.password=hush", "orders"),
        ("kafka://ann:hush@a:1", "orders"),
        ("log", "kafka://ann:hush@a:1/orders"),
        ("log", "orders/host=a/kafka.sasl.password=hush"),
        ("kafka://a:1", "orders?codec=avro&kafka%2Essl.key.pem=hush"),
        ("kafka://a:1", "orders?kafka.ssl.keystore.password=hush&codec"),
    ],
)
def test_an_address_that_holds_a_secret_is_refused_without_showing_it(
    log: str, address: str
) -> None:
    with pytest.raises((SettingsError, DefinitionError), match="an address holds") as told:
        place_of(settings(log=log), address)
    assert "hush" not in str(told.value)
    assert "a line of the file that the setting kafka_config names" in str(told.value)


@pytest.mark.parametrize(
    ("log", "address", "told"),
    [
        ("log", "kafka://orders", "names no broker"),
        ("kafka://a:1", "log:///shop/orders", "lies in the embedded log"),
        ("kafka://", "orders", "names no log"),
        ("redis://a:1", "orders", "names no log"),
        ("kafka://a:port", "orders", "names no log"),
    ],
)
def test_a_place_that_is_no_place_is_refused(log: str, address: str, told: str) -> None:
    with pytest.raises((SettingsError, DefinitionError), match=told):
        place_of(settings(log=log), address)


def test_a_topic_lies_in_one_place() -> None:
    with pytest.raises(DefinitionError, match="lies in two places"):
        open_log(settings(), ["log:///orders", "kafka://a:1/orders"])


def test_topics_of_several_logs_are_one_log(tmp_path: Path) -> None:
    """The second log is opened, but nothing of it is asked: no broker is needed."""
    pytest.importorskip("confluent_kafka")
    log = open_log(settings(tmp_path), ["log:///shop/orders", "kafka://127.0.0.1:1/payments"])
    assert not isinstance(log, EmbeddedLog)
    place = SourcePartition("shop/orders", 0)
    log.create(place.topic)
    log.append(place.topic, [b"a"])
    assert log.partitions(place.topic) == (place,)
    assert log.ends([place]) == {place: 1}
    assert log.starts([place]) == {place: 0}
    assert log.read(place, 0, max_records=9, max_bytes=9).values.to_pylist() == [b"a"]
    assert log.wait({place: 0}, 0.0)
    assert not log.wait({place: 1}, 0.01)
    log.close()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from catenary.errors import UnsupportedError

    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(UnsupportedError, match="confluent-kafka") as told:
        open_log(settings(log="kafka://a:1"))
    assert told.value.hint == "install the extra: pip install 'catenary[kafka]'"
