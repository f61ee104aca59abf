"""A Redis server that asks for a password, has users of its own, or speaks TLS only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.shop import LATER, begun, facts, published, refusal, said

from catenary.errors import SettingsError, StorageError, UnreachableError
from catenary.stores.redis import RedisStore
from catenary.testing.services.certificates import certificate
from catenary.testing.services.ports import HOST, free_ports
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.redis

PASSWORD, WRONG = "hush/hush", "wr0ng"
WRITTEN = "hush%2Fhush"
RIGHTS = "+@read +@write +@scripting +@pubsub +@connection +info +time +cluster|slots"
"""As docs/stores.md gives them."""


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server where ann may do what a store does, below `shop:`, and bob may read."""
    folder = tmp_path_factory.mktemp("users")
    rules = f"user ann on >{PASSWORD} ~shop:* &shop:* {RIGHTS}\nuser bob on >{PASSWORD} ~* +@read +info\n"
    (folder / "users.acl").write_text(f"user default off\n{rules}")
    with RedisServer(folder / "redis", appendfsync="", aclfile=str(folder / "users.acl")) as found:
        yield found


def at(server: RedisServer, user: str, password: str, prefix: str = "shop") -> str:
    return f"redis://{user}:{password}@{HOST}:{server.port}/0?prefix={prefix}"


def test_a_user_with_the_documented_rights_does_all_that_a_project_does(
    tmp_path: Path, users: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = begun(tmp_path)
    toml = shop / "catenary.toml"
    toml.write_text(f'store = "{at(users, "ann", WRITTEN)}"\n' + toml.read_text())
    facts(capsys, shop, "upload", "--ds", "2024-01-21", "--frontier", "")
    published(capsys, shop)
    facts(capsys, shop, "stream", "--all", "--until-caught-up", "--processes")
    key = ("customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, shop, "fetch", *key)["features"]["amount_sum_1d"] == 10.5
    for verb in ("status", "settings"):
        code, text = said(capsys, shop, verb)
        assert code == 0
        assert "hush" not in text


@pytest.mark.parametrize(
    ("user", "password", "prefix", "hint"),
    [
        ("ann", WRONG, "shop", "with that user's password"),
        ("nobody", WRONG, "shop", "with that user's password"),
        ("ann", WRITTEN, "other", f"the user needs ~other:* &other:* {RIGHTS}"),
        ("bob", WRITTEN, "shop", f"the user needs ~shop:* &shop:* {RIGHTS}"),
    ],
)
def test_who_may_not_is_told_at_once_what_is_missing(
    user: str, password: str, prefix: str, hint: str, users: RedisServer
) -> None:
    # Were it tried again, this would take an hour.
    store = RedisStore(at(users, user, password, prefix), patience_s=3600.0)
    with pytest.raises(StorageError, match="refused") as told:
        store.dataset("d", create=True)
    assert hint in str(told.value.hint)
    for secret in (PASSWORD, WRITTEN, WRONG):
        assert secret not in str(told.value)


def test_a_command_with_a_wrong_password_says_so_and_does_not_show_it(
    tmp_path: Path, users: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = begun(tmp_path)
    for verb in (
        ("status",),
        ("stream", "--all"),
        ("fetch", "customer_spend", "--key", "customer=a"),
    ):
        told = refusal(capsys, shop, *verb, "--store", at(users, "ann", WRONG))
        assert "invalid username-password pair" in told["problem"]
        assert WRONG not in str(told)


def test_a_server_that_speaks_tls_is_reached_by_who_knows_its_authority(tmp_path: Path) -> None:
    shows, (port,) = certificate(tmp_path / "certificate"), free_ports(1)
    files = {"tls_cert_file": shows.certificate, "tls_key_file": shows.key}
    options = {name: str(each) for name, each in files.items()}
    options |= {"tls_ca_cert_file": str(shows.certificate), "tls_auth_clients": "no"}
    with RedisServer(tmp_path / "redis", appendfsync="", tls_port=str(port), **options):
        server_at = f"{HOST}:{port}/0"
        store = RedisStore(f"rediss://{server_at}?prefix=shop&ca={shows.certificate}")
        dataset = store.dataset("d", create=True)
        assert dataset is not None
        assert dataset.commit({}, [(b"a", b"1")])
        version = store.version()
        assert not store.wait(version, 0.01)
        store.close()
        for address, hint in (
            (f"rediss://{server_at}", r"rediss://…\?ca=/path/to/ca.pem"),
            (f"redis://{server_at}", "where this port speaks TLS, write rediss://"),
        ):
            with pytest.raises(UnreachableError, match=hint):
                RedisStore(address, patience_s=0.1).dataset("d")
        with pytest.raises(SettingsError, match="there is no file ca=/nowhere"):
            RedisStore(f"rediss://{server_at}?ca=/nowhere/ca.pem")
