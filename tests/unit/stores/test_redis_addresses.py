"""What `store=redis://…` may say; no server is asked."""

from __future__ import annotations

import pytest

from catenary.app.settings import shown
from catenary.errors import SettingsError
from catenary.stores.redis.address import Address


@pytest.mark.parametrize(
    "text",
    [
        "redis://[::1/0",
        "redis://ho..st/0",
        f"redis://{'h' * 64}/0",
        "redis:///0",
        "redis://host,/0",
        "redis://host,,other/0",
        "redis://host,other:0/0",
        "redis://host,ho..st/0",
        "redis://host:0/0",
        "redis://host:99999/0",
        "redis://host/db",
        "redis://host/-1",
        "redis://host/0?prefx=shop",
        "redis://host/0?prefix=",
        "reddis://host/0",
        "redis://host/0?ca=/ca.pem",
    ],
)
def test_what_is_no_address_is_refused_with_how_one_is_written(text: str) -> None:
    with pytest.raises(SettingsError, match="is no address of a Redis server") as told:
        Address.parse(text)
    assert "redis://host:port/0" in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "redis://ann:secret@[::1/0",
        "redis://ann:secret@host/db",
        # What ends a host where it stands as it is: the rest of the password is no part of it.
        "redis://ann:sec/secret@host/0",
        "redis://ann:12?secret@host/0",
        "redis://ann:12#secret@host/0",
        "redis://secret:12/secret@host/0",
        "redis://ann:secret,12/secret@host,other/0",
        "redis://ann:secret@host,other:port/0",
    ],
)
def test_a_password_is_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as told:
        Address.parse(text)
    assert "secret" not in str(told.value)
    assert "12" not in str(told.value)
    assert "%2F for a slash" in str(told.value)


@pytest.mark.parametrize("password", ["secret", "sec/ret", "se@cret", "s:e@c:r/et"])
def test_settings_show_no_part_of_a_password(password: str) -> None:
    for address, seen in (
        ("redis://ann:{}@host:1/0", "ann:***@host:1/0"),
        ("rediss://:{}@h", ":***@h"),
    ):
        assert shown(address.format(password)) == f"{address.partition(':')[0]}://{seen}"
    assert shown("redis://host:6379/0") == "redis://host:6379/0"


def test_who_vouches_for_a_server_is_named_by_the_whole_path() -> None:
    assert Address.parse("rediss://host/0?ca=/etc/ca.pem").authority == "/etc/ca.pem"
    with pytest.raises(SettingsError, match="is no absolute path"):
        Address.parse("rediss://host/0?ca=ca.pem")


def test_an_address_has_a_prefix_which_keeps_projects_apart() -> None:
    assert Address.parse("redis://host").prefix == "catenary"
    found = Address.parse("rediss://ann:secret@[::1]:6380/2?prefix=a%20shop")
    assert (found.shown, found.prefix) == ("rediss://[::1]:6380/2", "a%20shop")
    assert found.urls == ("rediss://ann:secret@[::1]:6380/2",)


def test_an_address_may_name_several_hosts_each_with_a_port_or_without() -> None:
    found = Address.parse("redis://ann:a,b@h1:7000,h2,[::1]:7001,[::2]/1?prefix=shop,b")
    assert (found.shown, found.prefix) == ("redis://h1:7000,h2,[::1]:7001,[::2]/1", "shop%2Cb")
    assert found.urls == (
        "redis://ann:a,b@h1:7000/1",
        "redis://ann:a,b@h2/1",
        "redis://ann:a,b@[::1]:7001/1",
        "redis://ann:a,b@[::2]/1",
    )
