"""Registries: asked over HTTP, from a server on this machine, and as folders."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from tests.unit.logs.registries import LocalRegistry

from catenary.codecs import codec
from catenary.codecs.framing import Registered
from catenary.errors import (
    DefinitionError,
    RegistryError,
    SettingsError,
    StorageError,
    UnknownSchemaError,
)
from catenary.logs.registry import FolderRegistry, HttpRegistry, open_registry
from catenary.schema import BIGINT, Schema, struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
PROTO = 'syntax = "proto3"; message Order { int64 id = 1; } message Other { string x = 1; }'


@pytest.fixture
def server() -> Iterator[LocalRegistry]:
    with LocalRegistry() as made:
        yield made


def test_a_schema_is_asked_for_once(server: LocalRegistry) -> None:
    server.add(7, ORDER)
    registry = HttpRegistry(server.url)
    assert registry.schema(7) == registry.schema(7) == Registered(7, "avro", ORDER)
    assert server.asked == ["/schemas/ids/7"]


def test_the_newest_schema_of_a_subject_is_asked_for_each_time(server: LocalRegistry) -> None:
    server.add(7, ORDER, "shop/orders-value")
    registry = HttpRegistry(server.url + "/")
    assert registry.latest("shop/orders-value").id == 7
    server.add(9, ORDER, "shop/orders-value")
    assert registry.latest("shop/orders-value").id == 9
    assert server.asked[0] == "/subjects/shop%2Forders-value/versions/latest"


def test_a_failure_that_passes_is_not_noticed(server: LocalRegistry) -> None:
    server.add(7, ORDER)
    server.failing = 2
    assert HttpRegistry(server.url).schema(7).id == 7
    assert len(server.asked) == 3


def test_one_that_stays_says_what_was_asked_where_and_what_to_do(server: LocalRegistry) -> None:
    server.add(7, ORDER)
    server.failing = 100
    with pytest.raises(RegistryError) as caught:
        HttpRegistry(server.url).schema(7)
    said = str(caught.value)
    assert "id 7" in said
    assert f"{server.url}/schemas/ids/7" in said
    assert "HTTP 503" in said
    assert "none is lost" in said
    assert len(server.asked) < 10, "it gives up after a few times"
    server.failing = 0
    assert HttpRegistry(server.url).schema(7).id == 7


def test_a_registry_that_is_not_there_is_told_with_its_address() -> None:
    with LocalRegistry() as gone:
        url = gone.url
    with pytest.raises(RegistryError, match=url):
        HttpRegistry(url, timeout_s=1).schema(1)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff\xfe"])
def test_an_answer_that_is_none_is_no_answer(server: LocalRegistry, body: bytes) -> None:
    server.add(7, ORDER)
    server.body = body
    with pytest.raises(RegistryError, match="its answer is no"):
        HttpRegistry(server.url).schema(7)


def test_an_id_that_nobody_knows_is_told_and_not_asked_for_again_at_once(
    server: LocalRegistry,
) -> None:
    registry = HttpRegistry(server.url)
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match="no schema of id 8") as caught:
            registry.schema(8)
        assert server.url in str(caught.value)
    assert server.asked == ["/schemas/ids/8"]
    with pytest.raises(UnknownSchemaError, match="subject 'x'"):
        registry.latest("x")


def test_a_server_that_is_no_registry_knows_no_id_but_does_not_say_that_there_is_none(
    server: LocalRegistry,
) -> None:
    server.body = b"<html>404 not found</html>"
    with pytest.raises(RegistryError, match="HTTP 404"):
        HttpRegistry(server.url + "/wrong").schema(7)


def test_user_and_password_are_sent_and_never_shown(server: LocalRegistry) -> None:
    server.add(7, ORDER)
    server.authorization = "Basic " + base64.b64encode(b"me:p@ss").decode()
    host = server.url.removeprefix("http://")
    assert HttpRegistry(f"http://me:p%40ss@{host}").schema(7).id == 7
    with pytest.raises(SettingsError, match="user:password@") as caught:
        HttpRegistry(f"http://me:secret1@{host}").schema(7)
    assert "secret1" not in str(caught.value)
    server.failing = 100
    with pytest.raises(RegistryError) as failed:
        HttpRegistry(f"http://me:secret1@{host}").schema(7)
    assert "secret1" not in str(failed.value)


def test_what_was_fetched_lasts_in_a_folder(server: LocalRegistry, tmp_path: Path) -> None:
    server.add(7, ORDER)
    first = HttpRegistry(server.url, cache=tmp_path / "kept").schema(7)
    assert HttpRegistry("http://127.0.0.1:1", cache=tmp_path / "kept").schema(7) == first
    (file,) = (tmp_path / "kept").iterdir()
    file.write_text("{torn")
    assert HttpRegistry(server.url, cache=tmp_path / "kept").schema(7) == first


def test_protobufs_files_come_with_what_they_import(server: LocalRegistry) -> None:
    server.add(1, 'syntax = "proto3"; package p; message Place { double x = 1; }', "place")
    server.add(
        2,
        'syntax = "proto3"; import "a/place.proto"; import "google/protobuf/timestamp.proto";'
        " message Row { p.Place at = 1; google.protobuf.Timestamp t = 2; }",
        schemaType="PROTOBUF",
        references=[{"name": "a/place.proto", "subject": "place", "version": 1}],
    )
    found = HttpRegistry(server.url).schema(2)
    assert found.codec == "protobuf"
    schema = Schema.of(at=struct({"x": BIGINT}))
    with pytest.raises(DefinitionError, match=r"field 'at\.x' is double"):
        codec("protobuf", schema, files=found.files)


def test_a_schema_that_does_not_compile_is_told_in_protocs_words(server: LocalRegistry) -> None:
    server.add(3, 'syntax = "proto3"; message Row { nonsense x = 1; }', schemaType="PROTOBUF")
    with pytest.raises(DefinitionError, match='"nonsense" is not defined'):
        HttpRegistry(server.url).schema(3)


def test_a_schema_of_another_kind_is_refused_by_name(server: LocalRegistry) -> None:
    server.add(3, "…", schemaType="THRIFT")
    with pytest.raises(DefinitionError, match="'THRIFT'"):
        HttpRegistry(server.url).schema(3)


@pytest.mark.parametrize("address", ["http://", "http://:80/", "http://host:port"])
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="address"):
        open_registry(address, tmp_path)


def test_a_folder_holds_schemas_by_id_and_by_subject(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_text(ORDER)
    (tmp_path / "orders-value.avsc").write_text(ORDER)
    (tmp_path / "8.proto").write_text(PROTO)
    registry = open_registry(tmp_path.name, tmp_path.parent)
    assert isinstance(registry, FolderRegistry)
    assert registry.schema(7) == registry.latest("orders-value") == Registered(7, "avro", ORDER)
    assert registry.schema(8).codec == "protobuf"
    with pytest.raises(UnknownSchemaError, match="id 9"):
        registry.schema(9)
    with pytest.raises(UnknownSchemaError, match="subject 'x'"):
        registry.latest("x")


def test_a_subject_without_an_id_says_how_to_give_it_one(tmp_path: Path) -> None:
    (tmp_path / "orders-value.avsc").write_text(ORDER)
    with pytest.raises(UnknownSchemaError, match=r"copy orders-value.avsc to ID.avsc"):
        FolderRegistry(tmp_path).latest("orders-value")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no folder of schemas"):
        open_registry("nowhere", tmp_path)


def test_a_schema_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_bytes(b"\xff\xfe")
    with pytest.raises(DefinitionError, match="is no text"):
        FolderRegistry(tmp_path).schema(7)


def test_a_folder_that_cannot_be_written_to_is_told(server: LocalRegistry, tmp_path: Path) -> None:
    server.add(7, ORDER)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a schema cannot be kept"):
        HttpRegistry(server.url, cache=tmp_path / "file" / "kept").schema(7)


def test_an_id_of_more_than_32_bits_is_none(server: LocalRegistry) -> None:
    server.add(1 << 32, ORDER, "orders")
    with pytest.raises(RegistryError, match="no id of 32 bits"):
        HttpRegistry(server.url).latest("orders")
