"""Topic addresses: every way of writing one, and what is wrong with those that are none."""

from __future__ import annotations

import pytest

from catenary.errors import DefinitionError, UnsupportedError
from catenary.logs.addresses import Address, parse

GOOD = {
    "payments": Address("", "", None, "", "payments"),
    "shop/payments": Address("", "", None, "shop", "payments"),
    "log:///payments": Address("log", "", None, "", "payments"),
    "log:///shop/eu/payments": Address("log", "", None, "shop/eu", "payments"),
    "log:///payments?codec=avro&schema=http://r/1": Address(
        "log", "", None, "", "payments", {"codec": "avro", "schema": "http://r/1"}
    ),
    "log:///payments/codec=json": Address("log", "", None, "", "payments", {"codec": "json"}),
    "kafka://payments": Address("kafka", "", None, "", "payments"),
    "kafka://broker/payments": Address("kafka", "broker", None, "", "payments"),
    "kafka://broker:9092/payments": Address("kafka", "broker", 9092, "", "payments"),
    "kafka://[::1]:9092/payments": Address("kafka", "[::1]", 9092, "", "payments"),
    "kafka://[::1]/payments": Address("kafka", "[::1]", None, "", "payments"),
    "kafka://broker:9092/payments?schema=a%2Fb": Address(
        "kafka", "broker", 9092, "", "payments", {"schema": "a/b"}
    ),
    "kafka://payments/schema=a%2Fb/fmt=": Address(
        "kafka", "", None, "", "payments", {"schema": "a/b", "fmt": ""}
    ),
    "kafka://payments/host=broker/port=9092": Address("kafka", "broker", 9092, "", "payments"),
    "payments/host=broker/port=9092/x=1": Address(
        "kafka", "broker", 9092, "", "payments", {"x": "1"}
    ),
    "payments/x=1": Address("", "", None, "", "payments", {"x": "1"}),
}

BAD = {
    "": "a name in it is empty",
    "log:///": "a name in it is empty",
    "log://shop/payments": (
        "an embedded log has no host\n  at f.py:3\n  hint: write log:///shop/payments, with three slashes"
    ),
    "log:/shop/payments": (
        "it is nearly an address\n  at f.py:3\n  hint: write log:///shop/payments"
    ),
    "log:payments": "it is nearly an address\n  at f.py:3\n  hint: write log:///payments",
    "kafka:/broker:9092/payments": (
        "it is nearly an address\n  at f.py:3\n  hint: write kafka://broker:9092/payments"
    ),
    "broker:9092/payments": (
        "a name has no colon\n  at f.py:3"
        "\n  hint: if 'broker' is a broker, write kafka://broker:9092/payments"
    ),
    "kafka://": "a name in it is empty",
    "kafka://broker:9092": "it names no topic",
    "kafka://broker:9092/": "a name in it is empty",
    "kafka://broker:x/payments": "'x' is no port",
    "kafka://broker:70000/payments": "'70000' is no port",
    "kafka://broker:9092/shop/payments": "a Kafka topic has no folder",
    "kafka://a:1,b:2/payments": "it names several brokers",
    "kafka://broker:9092/payments/port=1": "port is given twice",
    "kafka://host=broker/payments": "'payments' is no option",
    "host=broker": "it names no topic",
    "shop/payments/host=broker": "a Kafka topic has no folder",
    "payments/port=9092": "it names a port without a host",
    "payments/x=1/x=2": "option 'x' is given twice",
    "payments?x": "'x' is no option",
    "payments?=1": "'=1' is no option",
}


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_read_as_it_is_meant(text: str) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_says_why_and_where(text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(text, where="f.py:3")
    assert str(caught.value).startswith(f"topic {text!r}: {BAD[text]}")
    assert caught.value.where == "f.py:3"
    assert caught.value.hint


def test_a_log_of_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="'kafak' log") as caught:
        parse("kafak://broker/payments")
    assert caught.value.hint == "did you mean 'kafka'?"
