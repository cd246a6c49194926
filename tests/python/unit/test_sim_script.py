"""Scripts of faults: what is taken, what is refused and how, and that the same script does the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringtape.errors import ConfigError
from ringtape.sim import Behaviour, Host, Script, faults
from ringtape.sim.script import SCRIPTS, load, shipped

START_NS = 1_780_000_000_000_000_000
STEP_S = 0.05


def write(folder: Path, text: str) -> Path:
    path = folder / "script.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_reads_as_it_is_written(tmp_path: Path) -> None:
    script = load(
        write(
            tmp_path,
            """
            seed = 9
            [behaviour]
            max_connections = 1
            unentitled = ["NOI"]
            [[fault]]
            kind = "close"
            code = 1001
            every_s = 30
            jitter_s = 5
            path = "/stocks"
            [[fault]]
            kind = "silence"
            stream = "T.*"
            on = "auth"
            """,
        )
    )
    assert script == Script(
        seed=9,
        behaviour=Behaviour(max_connections=1, unentitled=frozenset({"NOI"})),
        faults=(
            faults.Close(code=1001, every_s=30, jitter_s=5, path="/stocks"),
            faults.Silence(stream="T.*", on="auth"),
        ),
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_shipped_scripts_load_and_are_commented(name: str) -> None:
    script = load(shipped(name))
    assert script.faults
    assert shipped(name).read_text(encoding="utf-8").startswith("# ")


def test_a_name_that_is_not_shipped_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bad_day'"):
        shipped("bad-day")


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ("sed = 1", "sed", "did you mean 'seed'"),
        ("seed = 'x'", "seed", "whole number"),
        ("fault = 3", "fault", r"\[\[fault\]\]"),
        ("behaviour = 3", "behaviour", r"\[behaviour\]"),
        ("[behaviour]\nping = 3", "behaviour.ping", "did you mean 'ping_s'"),
        ("[behaviour]\nbatch = 0", "behaviour.batch", "above zero"),
        ("[behaviour]\nbatch = 'x'", "behaviour", "Expected `int`"),
        ("[[fault]]\nat_s = 3", "fault[0].kind", "has no kind"),
        ("[[fault]]\nkind = 'rest'", "fault[0].kind", "did you mean 'reset'"),
        ("[[fault]]\nkind = 'reset'\n[[fault]]\nkind = 'reset'\nafter = 3", "fault[1].after", "did you mean 'after_s'"),
        ("[[fault]]\nkind = 'close'\ncode = 70000", "fault[0].code", "from 0 to 65535"),
        ("[[fault]]\nkind = 'close'\nreason = '" + "x" * 124 + "'", "fault[0].reason", "123 bytes"),
        ("[[fault]]\nkind = 'reset'\nat_s = 1\non = 'auth'", "fault[0].on", "at_s and on are both given"),
        ("[[fault]]\nkind = 'reset'\non = 'never'", "fault[0]", "Invalid enum value"),
        ("[[fault]]\nkind = 'reset'\nat_s = -1", "fault[0].at_s", "below zero"),
        ("[[fault]]\nkind = 'reset'\nevery_s = 0", "fault[0].every_s", "above zero"),
        ("[[fault]]\nkind = 'reset'\nevery_s = 2\njitter_s = 2", "fault[0].jitter_s", "below every_s"),
        ("[[fault]]\nkind = 'reset'\njitter_s = 2", "fault[0].jitter_s", "without every_s"),
        ("[[fault]]\nkind = 'reset'\npath = 'stocks'", "fault[0].path", "slash"),
        ("[[fault]]\nkind = 'burst'\nafter_s = 3", "fault[0].after_s", "write at_s or every_s"),
        ("[[fault]]\nkind = 'skew'\npeer = 3", "fault[0].peer", "write at_s or every_s"),
        ("[[fault]]\nkind = 'drop'\nshare = 1.5", "fault[0].share", "from 0 to 1"),
        ("[[fault]]\nkind = 'stall'", "fault[0].for_s", "for_s is 0"),
        ("[[fault]]\nkind = 'http'\nstatus = 200", "fault[0].status", "429"),
        ("[[fault]]\nkind = 'http'\nlocation = 'x'", "fault[0].status", "301, 302"),
        ("[[fault]]\nkind = 'slow_consumer'\nwarn_s = 9", "fault[0].warn_s", "from 0 to 5"),
        ("[[fault]]\nkind = 'garbage'\nwhat = 'noise'", "fault[0]", "Invalid enum value"),
        ("not toml", "", "not TOML"),
    ],
)
def test_what_is_wrong_names_file_key_and_the_nearest_right_thing(
    tmp_path: Path, text: str, key: str, why: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=why) as wrong:
        load(path)
    assert str(path) in str(wrong.value)
    assert wrong.value.key == key
    assert wrong.value.source == str(path)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_there_or_too_long(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="the limit is"):
        load(write(tmp_path, "#" * (1 << 20) + "\n"))


class Pipe:
    """A transport that keeps what was sent, in words."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    @property
    def underlying_transport(self) -> Pipe:
        return self

    def write(self, data: bytes) -> None:
        self.log.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def send_ping(self, message: str | bytes = b"") -> None:
        self.log.append(("ping", message))

    def send_pong(self, message: bytes = b"") -> None:
        self.log.append(("pong", message))

    def send_close(self, close_code: Any = 0, close_message: str | None = None) -> None:
        self.log.append(("close", close_code, close_message))

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        self.log.append(("disconnect", graceful))

    async def wait_disconnected(self) -> None:
        return


CHAOS = (
    faults.Reset(every_s=7, jitter_s=3, path="/stocks"),
    faults.Close(after_frames=400, code=1011),
    faults.BlackHole(every_s=5, jitter_s=2, for_s=1.5, path="/market"),
    faults.Stall(after_s=2, for_s=0.7),
    faults.Drop(share=0.1),
    faults.Duplicate(share=0.1),
    faults.Reorder(window=7, at_s=3, for_s=4),
    faults.Replay(count=20, on="subscribe"),
    faults.Garbage(every_s=2, jitter_s=1),
    faults.Fragment(size=50, every_s=9, for_s=2),
    faults.SlowConsumer(at_s=12, path="/market", growth=0.9),
    faults.Burst(at_s=6, for_s=3),
    faults.Skew(at_s=15, skew_s=-0.5),
)


def run(script: Script, seconds: float = 20.0) -> tuple[Host, str]:
    """Run two clients that always come back, on given time; return the host and a hash of all bytes."""
    now = 0.0
    host = Host(
        symbols=4,
        rate=800,
        script=script,
        record=True,
        monotonic=lambda: now,
        time_ns=lambda: START_NS + round(now * 1e9),
    )
    everything = hashlib.sha256()
    clients: dict[str, Any] = {"/stocks": None, "/market/ws": None}
    while now < seconds:
        for path, client in clients.items():
            peer, pipe = client or (None, Pipe())
            if peer is not None and not peer.is_ending:
                continue
            if peer is not None:
                everything.update(repr(pipe.log).encode())
                peer.on_ws_disconnected(pipe)
            peer, pipe = clients[path] = host.accept(path), Pipe()
            peer.on_ws_connected(pipe)
            for request in (
                (
                    {"action": "auth", "params": "any"},
                    {"action": "subscribe", "params": "T.*"},
                )
                if path == "/stocks"
                else ({"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 1},)
            ):
                peer.received(json.dumps(request).encode())
        now = round(now + STEP_S, 6)
        host.step(START_NS + round(now * 1e9))
    for peer, pipe in clients.values():
        everything.update(repr(pipe.log).encode())
        peer.on_ws_disconnected(pipe)
    return host, everything.hexdigest()


def test_the_same_seed_and_script_give_the_same_bytes() -> None:
    one, digest = run(Script(faults=CHAOS, seed=11))
    two, again = run(Script(faults=CHAOS, seed=11))
    assert digest == again
    assert list(one.strikes) == list(two.strikes)
    assert one.stats == two.stats
    assert one.log == two.log
    assert run(Script(faults=CHAOS, seed=12))[1] != digest
    assert {strike.kind for strike in one.strikes} == {fault.kind for fault in CHAOS}


def test_a_fault_does_not_change_the_chances_of_another() -> None:
    drop = faults.Drop(share=0.2)
    alone, _ = run(Script(faults=(drop,), seed=3))
    beside, _ = run(Script(faults=(drop, faults.Garbage(every_s=1)), seed=3))

    def withheld(host: Host) -> list[bytes]:
        return [sent.text for sent in host.log if sent.fate == "withheld"]

    assert withheld(alone) == withheld(beside) != []


def test_what_was_sent_and_what_was_withheld_is_all_there_is() -> None:
    host, _ = run(Script(faults=(faults.Drop(share=0.3, path="/market"),), seed=1))
    numbers = sorted(json.loads(sent.text)["a"] for sent in host.log if sent.number == 2 and sent.fate != "status")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert host.stats.withheld == sum(sent.fate == "withheld" for sent in host.log)


def test_without_a_script_nothing_is_kept() -> None:
    host, _ = run(Script())
    plain = Host(symbols=4, rate=800, monotonic=lambda: 0.0, time_ns=lambda: START_NS)
    peer = plain.accept("/stocks")
    assert peer.line is None
    assert plain.log == []
    assert {sent.fate for sent in host.log} == {"sent", "status"}


@pytest.mark.parametrize("kind", faults.KINDS)
def test_every_kind_is_documented_and_survives_a_round_trip(kind: str) -> None:
    fault_type = faults.KINDS[kind]
    fault = fault_type(for_s=1.0) if kind == "stall" else fault_type()
    assert fault.kind == kind
    assert fault_type.__doc__
    assert msgspec.convert(msgspec.to_builtins(fault), fault_type) == fault
    page = (Path(__file__).parents[3] / "python" / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert f"`{kind}`" in page
