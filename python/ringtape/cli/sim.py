"""``ringtape sim``: serve a pretend market in the venues' own protocols."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import Annotated

import msgspec
import typer
import uvloop

from ringtape.errors import ConfigError
from ringtape.sim import Behaviour, Script, Server
from ringtape.sim.script import SCRIPTS, load, shipped

__all__ = ["sim"]

_DEFAULTS = Behaviour()


def sim(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8765,
    rest_port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of REST; 0 takes a free one.")] = 0,
    rate: Annotated[int, typer.Option(help="Trades and quotes a second over all symbols, of each market.")] = 20_000,
    symbols: Annotated[int, typer.Option(help="Symbols of each market.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the market: the same seed, the same prices.")] = 7,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --host be an address that other machines can reach.")
    ] = False,
    faults: Annotated[
        str | None,
        typer.Option(
            help=f"What goes wrong: a script in TOML, or one that comes with ringtape ({', '.join(SCRIPTS)}).",
        ),
    ] = None,
    bad_key: Annotated[
        str | None, typer.Option(help=f"The key that /stocks refuses. [default: {_DEFAULTS.bad_key}]")
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option(min=0, help="Streaming connections of one Massive market; 0 for any number. [default: 0]"),
    ] = None,
) -> None:
    """Serve a pretend market: Massive under /stocks, Binance USD-M under /public and /market.

    Prints one JSON line with port, rest_port, host, seed, symbols and rate once it listens, and runs until Ctrl-C or
    SIGTERM.
    """
    if not allow_remote and not _is_loopback(host):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, and the pretend market has no lock: "
            "say --allow-remote if you mean it",
            "host",
            "arguments",
            "a loopback address such as 127.0.0.1",
        )
    script = _script(faults)
    given = {"bad_key": bad_key, "max_connections": max_connections}
    changes = {name: value for name, value in given.items() if value is not None}
    server = Server(
        host=host,
        port=port,
        rest_port=rest_port,
        seed=seed,
        symbols=symbols,
        rate=rate,
        behaviour=msgspec.structs.replace(script.behaviour or _DEFAULTS, **changes),
        script=script,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, {"seed": seed, "symbols": symbols, "rate": rate}))


def _script(faults: str | None) -> Script:
    """Return the script of a file, of a name, or none."""
    if faults is None:
        return Script()
    is_path = "/" in faults or faults.endswith(".toml")
    return load(faults if is_path else shipped(faults))


async def _serve(server: Server, market: dict[str, int]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.open()
    except OSError as error:
        why = error.strerror or error
        where = f"{server.host}:{server.port}" + (f" and {server.rest_port}" if server.rest_port else "")
        raise ConfigError(f"cannot listen on {where}: {why}", "port", "arguments") from None
    try:
        ports = {"port": server.port, "rest_port": server.rest_port, "host": server.host}
        print(msgspec.json.encode({**ports, **market}).decode(), flush=True)
        await stop.wait()
    finally:
        await server.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
