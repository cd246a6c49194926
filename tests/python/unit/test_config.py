from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path

import msgspec
import pytest

from ringtape.config import Endpoint, Secret, Settings, find_key, load, read_key_file
from ringtape.errors import ConfigError

CANARY = "CANARY-3f9a77b2"
HOSTS = frozenset({"socket.massive.com"})
VARIABLES = ("MASSIVE_API_KEY", "POLYGON_API_KEY")


@dataclasses.dataclass
class Holder:
    key: Secret


def test_a_secret_never_shows() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        "%s" % secret,  # noqa: UP031 - one of the ways to print
        "{}".format(secret),  # noqa: UP032 - another one
        repr(Holder(secret)),
        repr(dataclasses.asdict(Holder(secret))),
        repr(vars(type(secret)).keys()),
        str(pickle.dumps(secret)),
        str(copy.deepcopy(secret)),
        repr([secret, {"key": secret}]),
    ]
    assert not [text for text in shown if CANARY in text]
    assert str(secret) == "***"
    assert pickle.loads(pickle.dumps(secret)) == "***"  # noqa: S301 - our own bytes
    assert secret.reveal() == CANARY


def test_encoders_refuse_a_secret_without_showing_it() -> None:
    for encode in (json.dumps, msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError) as caught:
            encode({"key": Secret(CANARY)})
        assert CANARY not in str(caught.value)


def test_secrets_compare_and_do_not_hash() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_a_secret_masks_itself_in_texts() -> None:
    assert Secret(CANARY).mask(f"bad key {CANARY}!") == "bad key ***!"
    assert Secret("").mask("text") == "text"


@pytest.mark.parametrize(
    ("url", "host", "port", "secure"),
    [
        ("wss://socket.massive.com", "socket.massive.com", 443, True),
        ("wss://socket.massive.com:8443/", "socket.massive.com", 8443, True),
        ("ws://127.0.0.1:8765", "127.0.0.1", 8765, False),
        ("ws://localhost", "localhost", 80, False),
        ("ws://[::1]:9000", "::1", 9000, False),
    ],
)
def test_endpoints(url: str, host: str, port: int, *, secure: bool) -> None:
    endpoint = Endpoint.parse(url)
    assert (endpoint.host, endpoint.port, endpoint.secure) == (host, port, secure)
    assert not endpoint.url.endswith("/")


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("ws://socket.massive.com", "not encrypted"),
        ("ws://127.0.0.1.evil.com", "not encrypted"),
        ("ws://10.0.0.1", "not encrypted"),
        ("https://socket.massive.com", "wss://"),
        ("socket.massive.com", "wss://"),
        ("wss://", "wss://"),
        ("wss://host:99999", "not an address"),
        (f"wss://user:{CANARY}@socket.massive.com", "must not carry"),
        (f"wss://socket.massive.com/?apiKey={CANARY}", "must not carry"),
    ],
)
def test_unsafe_endpoints_are_refused(url: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        Endpoint.parse(url)
    assert CANARY not in str(caught.value)


def key_for(url: str, **options: str) -> Secret:
    return find_key("massive.stocks", Endpoint.parse(url), HOSTS, VARIABLES, **options)


def test_the_environments_key_goes_to_the_venues_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", CANARY)
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    assert key_for("wss://socket.massive.com").reveal() == CANARY
    monkeypatch.setenv("MASSIVE_API_KEY", "other")
    assert key_for("wss://socket.massive.com").reveal() == "other"


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "wss://example.com", "wss://socket.massive.com.example.com"])
def test_the_environments_key_goes_nowhere_else(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", CANARY)
    with pytest.raises(ConfigError, match="key beside its url") as caught:
        key_for(url)
    assert CANARY not in str(caught.value)
    assert key_for(url, key="own").reveal() == "own"


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="MASSIVE_API_KEY"):
        key_for("wss://socket.massive.com")


def test_key_files_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key_file(path)
    path.chmod(0o600)
    assert read_key_file(path).reveal() == CANARY
    assert key_for("wss://example.com", key_file=str(path)).reveal() == CANARY
    with pytest.raises(ConfigError, match="not both"):
        key_for("wss://example.com", key_file=str(path), key="x")
    path.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        read_key_file(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_key_file(tmp_path / "missing")


FILE = """
rules = "rules/top.rules"

[engine]
max_symbols = 500
bars = ["1s", "5m"]

[[feeds.massive]]
market = "stocks"
subscriptions = ["T.*", "A.*"]
key_file = "keys/massive"

[[feeds.binance]]
streams = ["btcusdt@aggTrade"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ringtape.toml"
    path.write_text(text)
    return path


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == load() == Settings()


def test_a_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    settings = load(written(tmp_path, FILE))
    assert settings.engine.max_symbols == 500
    assert settings.engine.bars == ("1s", "5m")
    assert settings.rules == str(tmp_path / "rules/top.rules")
    assert settings.feeds.massive[0].subscriptions == ("T.*", "A.*")
    assert settings.feeds.massive[0].key_file == str(tmp_path / "keys/massive")
    assert settings.feeds.binance[0].market == "usdm"


def test_file_then_environment_then_arguments(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    environ = {"RINGTAPE_ENGINE_MAX_SYMBOLS": "600", "RINGTAPE_ENGINE_WINDOWS": "30s,5m", "RINGTAPE_RULES": "a.rules"}
    settings = load(path, environ)
    assert settings.engine.max_symbols == 600
    assert settings.engine.windows == ("30s", "5m")
    assert settings.engine.bars == ("1s", "5m")
    assert settings.rules == "a.rules"
    assert load(path, {"RINGTAPE_ENGINE_WINDOWS": "30s"}).engine.windows == ("30s",)
    settings = load(path, environ, {"engine.max_symbols": 700, "rules": None})
    assert settings.engine.max_symbols == 700
    assert settings.rules == "a.rules"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[engin]", r"unknown setting 'engin'; did you mean 'engine'"),
        ("[engine]\nmax_symbol = 1", r"unknown setting 'engine\.max_symbol'; did you mean 'max_symbols'"),
        ("[[feeds.massive]]\nmarkt = 'stocks'", r"'feeds\.massive\[0\]\.markt'; did you mean 'market'"),
        ("[feeds.massiv]", r"did you mean 'massive'"),
        ("[engine]\nmax_symbols = 'many'", r"max_symbols"),
        ("rules =", "not TOML"),
    ],
)
def test_wrong_files_name_key_and_file(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        load(written(tmp_path, text))
    assert "ringtape.toml" in str(caught.value)


def test_wrong_variables_and_arguments_name_themselves() -> None:
    with pytest.raises(ConfigError, match=r"RINGTAPE_ENGINE_MAXSYMBOLS: .* did you mean 'max_symbols'"):
        load(environ={"RINGTAPE_ENGINE_MAXSYMBOLS": "1"})
    with pytest.raises(ConfigError, match=r"arguments: .* did you mean 'rules'"):
        load(arguments={"rule": "x"})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="the limit is"):
        load(written(tmp_path, "#" * (1 << 20) + "\n"))
