"""A broker that asks for TLS, for a password, or for both: what gets in, and what who does not is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.e2e.test_kafka import Shop, published
from tests.unit.cli.shop import LATER, ORDER, facts, refusal, said

from catenary.app.live import Live
from catenary.errors import UnreachableError
from catenary.logs.kafka import KafkaLog, directory, offsets
from catenary.testing.services.certificates import Certificate, certificate
from catenary.testing.services.kafka import KafkaBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka

PASSWORD = "hush-hush"
WRONG = "wr0ng-word"
MODULES = "org.apache.kafka.common.security"


class Secured(NamedTuple):
    """A broker with users ann (PLAIN) and bob (SCRAM-SHA-256), and the certificate that it shows."""

    broker: KafkaBroker
    certificate: Certificate


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    shows = certificate(folder / "certificate")
    tls = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(shows.both)}
    sasl = {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "plain.sasl.jaas.config": f'{MODULES}.plain.PlainLoginModule required user_ann="{PASSWORD}";',
        "scram-sha-256.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
    }
    with KafkaBroker(
        folder / "broker",
        kafka_jars,
        listeners={"SSL": tls, "SASL_PLAINTEXT": sasl, "SASL_SSL": {**tls, **sasl}},
        formatted=["--add-scram", f"SCRAM-SHA-256=[name=bob,password={PASSWORD}]"],
    ) as broker:
        yield Secured(broker, shows)


def sasl(mechanism: str, user: str, password: str = PASSWORD) -> dict[str, str]:
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": mechanism,
        "sasl.username": user,
        "sasl.password": password,
    }


def configured(shop: Shop, options: dict[str, str]) -> None:
    """Have the project's kafka_config say so."""
    lines = "".join(f"{name}={value}\n" for name, value in options.items())
    (shop.root / "client.properties").write_text(lines)


@pytest.mark.parametrize("listener", ["SSL", "SASL_SSL"])
def test_all_that_a_project_does_goes_through_a_listener_that_is_secured(
    listener: str, tmp_path: Path, secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the options one half stands in the address, the other, with the password, in the file."""
    shop = Shop(tmp_path, secured.broker.listening(listener), by_setting=False)
    # Below the project's folder, which is not where the tests stand.
    (shop.root / "ca.pem").write_bytes(secured.certificate.certificate.read_bytes())
    options = {"ssl.ca.location": "ca.pem"}
    if listener == "SASL_SSL":
        options |= sasl("SCRAM-SHA-256", "bob")
    configured(shop, options)
    with (shop.root / "catenary.toml").open("a") as settings:
        settings.write('kafka_config = "client.properties"\n')
    features = shop.root / "features.py"
    address = f"{shop.topic}?kafka.security.protocol={listener}"
    features.write_text(features.read_text().replace(shop.topic, address))
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 2})
        published(live, shop, [ORDER] * 4, partitions=2)
    facts(capsys, shop.root, "stream", "--all", "--until-caught-up", "--processes")
    key = ("--key", "customer=ann", "--at", LATER)
    found = facts(capsys, shop.root, "fetch", "customer_spend", *key)
    assert found["features"]["amount_sum_1d"] == 4 * ORDER["amount"]  # type: ignore[operator]
    told = facts(capsys, shop.root, "status")["stages"]
    assert [[lane["lag"] for lane in each["lanes"]] for each in told] == [[0, 0]] * 2


def test_a_password_that_is_wrong_is_told_everywhere_and_shown_nowhere(
    tmp_path: Path,
    secured: Secured,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(tmp_path, secured.broker.listening("SASL_PLAINTEXT"), by_setting=True)
    with (shop.root / "catenary.toml").open("a") as settings:
        settings.write('kafka_config = "client.properties"\n')
    configured(shop, sasl("PLAIN", "ann"))
    with Live.open(shop.root) as live:
        live.create_topics({shop.topic: 1})
        published(live, shop, [ORDER], partitions=1)
        facts(capsys, shop.root, "stream", "--all", "--until-caught-up")
    configured(shop, sasl("PLAIN", "ann", WRONG))
    for module in (directory, offsets):
        monkeypatch.setattr(module, "REQUEST_S", 1.5)
    why = "the broker does not let this client in"
    rows = shop.root / "orders.jsonl"
    rows.write_text("{}\n")
    texts = [
        str(refusal(capsys, shop.root, *words))
        for words in (("publish", shop.topic, str(rows)), ("stream", "--all"))
    ]
    (lane,) = facts(capsys, shop.root, "status")["stages"][0]["lanes"]
    texts.append(lane["away"])
    assert [why in text for text in texts] == [True] * len(texts)
    assert "sasl.username and sasl.password" in texts[0]
    _, *out = said(capsys, shop.root, "settings")
    for text in (*texts, caplog.text, *map(str, out)):
        assert WRONG not in text
        assert PASSWORD not in text


@pytest.mark.parametrize(
    ("listener", "options", "problem", "hint"),
    [
        (
            "SASL_PLAINTEXT",
            sasl("SCRAM-SHA-256", "bob", WRONG),
            "let this client in",
            "sasl.username",
        ),
        ("SASL_PLAINTEXT", sasl("SCRAM-SHA-512", "bob"), "PLAIN,SCRAM-SHA-256", "sasl.mechanisms"),
        (
            "SSL",
            {"security.protocol": "SSL"},
            "no TLS connection",
            "ssl.ca.location",
        ),
        ("SSL", {}, "does not answer", "security.protocol=plaintext"),
        ("SASL_PLAINTEXT", {}, "does not answer", "security.protocol=plaintext"),
        (
            "PLAINTEXT",
            {"security.protocol": "SSL"},
            "no TLS connection",
            "security.protocol",
        ),
        ("PLAINTEXT", sasl("PLAIN", "ann"), "let this client in", "sasl.mechanisms"),
    ],
)
def test_who_does_not_get_in_is_told_which_option_to_look_at(
    listener: str,
    options: dict[str, str],
    problem: str,
    hint: str,
    secured: Secured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "REQUEST_S", 1.5)
    with KafkaLog(secured.broker.listening(listener), options) as log:
        with pytest.raises(UnreachableError) as told:
            log.create("t")
        assert problem in told.value.problem
        assert hint in str(told.value.hint)
        assert WRONG not in str(told.value)
        assert PASSWORD not in str(told.value)
