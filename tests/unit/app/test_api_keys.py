"""Keys as settings name them, and what is said of those that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.app.api_keys import ApiKey, check_scopes, digest
from catenary.app.settings import Settings
from catenary.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = digest(b"secret")


def keys(tmp_path: Path, text: str) -> tuple[ApiKey, ...]:
    (tmp_path / "catenary.toml").write_text(text)
    return Settings.load(tmp_path, environment={}).api_keys


def test_a_key_is_a_digest_or_a_variable_and_has_a_scope(tmp_path: Path) -> None:
    held = keys(
        tmp_path,
        f'threads = 3\n[api_keys.scorer]\nsha256 = "{DIGEST.upper()}"\ndefinitions = ["risk"]\n'
        '[api_keys.all]\nenv = "ALL_KEY"\n',
    )
    assert held == (
        ApiKey("scorer", sha256=DIGEST, definitions=frozenset({"risk"})),
        ApiKey("all", env="ALL_KEY"),
    )
    assert [each.digest({"ALL_KEY": "secret"}) for each in held] == [DIGEST, DIGEST]
    with pytest.raises(SettingsError, match=r"\$ALL_KEY, which is not set"):
        held[1].digest({})
    check_scopes(held, ["risk"])
    with pytest.raises(SettingsError, match="is for 'risk', which is not defined") as wrong:
        check_scopes(held, ["risks"])
    assert wrong.value.hint == "did you mean 'risks'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api_keys = 1", "api_keys is no table"),
        ("[api_keys]\na = 1", "the API key 'a' is no table"),
        ("[api_keys.a]\n", "needs sha256 or env, one of them"),
        (f'[api_keys.a]\nenv = "A"\nsha256 = "{DIGEST}"', "needs sha256 or env, one of them"),
        ('[api_keys.a]\nsha256 = "secret"', "is not 64 hexadecimal digits"),
        ('[api_keys.a]\nkey = "secret"', "an API key has no 'key'"),
        ('[api_keys.a]\nenv = "A"\ndefinitions = "risk"', "is no list of names"),
    ],
)
def test_what_is_wrong_is_said_without_the_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as wrong:
        keys(tmp_path, text)
    assert "catenary.toml" in str(wrong.value.where)
    assert "secret" not in str(wrong.value)


def test_limits_and_shares_have_ranges(tmp_path: Path) -> None:
    environment = {"CATENARY_SAMPLE_PERCENT": "0.5", "CATENARY_PORT": "0"}
    held = Settings.load(tmp_path, environment=environment)
    assert (held.sample_percent, held.port) == (0.5, 0)
    for name, value in {"port": 70_000, "sample_percent": 101, "body_limit": ""}.items():
        with pytest.raises(SettingsError):
            held.changed(name, value, origin="here")
    with pytest.raises(SettingsError, match="is not a number"):
        held.changed("sample_percent", "half", origin="here")
