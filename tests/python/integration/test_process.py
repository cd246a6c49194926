"""`App.run` as a process: signals, exit, and what it leaves on the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty import FaultyServer, Peer

KEY = "CANARY-77c2e5d1aa"

PROGRAM = """
import logging, socket, sys, time
logging.basicConfig(level=1)
url, mode = sys.argv[1:]
if mode == "dead name server":
    look_up = socket.getaddrinfo
    socket.getaddrinfo = lambda *a, **k: (print("ready", flush=True), time.sleep(60))
from ringtape.app import App
from ringtape.feeds import Massive
from ringtape.strategy import Strategy

class Ready(Strategy):
    def on_connection(self, ctx, feed, state):
        if state == mode:
            print("ready", flush=True)
    def on_stop(self, ctx):
        print("stopped", flush=True)

App([Massive("stocks", ["T.*"], url=url, key="CANARY-77c2e5d1aa")], [Ready()]).run()
print("returned", flush=True)
"""


async def start(url: str, mode: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-c", PROGRAM, url, mode),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended_by(number: signal.Signals, url: str, mode: str) -> tuple[str, str]:
    """Start the program, signal it once it is ready, and return its output; it has two seconds."""
    process = await start(url, mode)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20.0)
    assert line == b"ready\n", (line, (await process.communicate())[1].decode())
    await asyncio.sleep(0.1)
    asked = time.monotonic()
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 10.0)
    took = time.monotonic() - asked
    assert took < 2.0, took
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def serve_for_ever(peer: Peer) -> None:
    await peer.massive_login()
    while True:
        await peer.receive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_live_app(number: signal.Signals) -> None:
    async with FaultyServer(serve_for_ever) as server:
        out, err = await ended_by(number, server.url, "live")
    assert out == "stopped\nreturned\n"
    assert "Traceback" not in err
    assert "Warning" not in err
    assert KEY not in err  # every log level was on
    assert KEY[7:15] not in err


async def test_a_signal_ends_a_connect_that_hangs_in_the_name_server() -> None:
    out, err = await ended_by(signal.SIGINT, "wss://no-such-host.example", "dead name server")
    assert out == "stopped\nreturned\n"
    assert "Traceback" not in err


async def test_a_signal_ends_a_handshake_that_never_comes() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        out, err = await ended_by(signal.SIGINT, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "connecting")
    finally:
        server.close()
    assert out == "stopped\nreturned\n"
    assert "Traceback" not in err


def test_a_missing_key_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom ringtape.cli import main as cli\n"
        "import types\nfrom ringtape.app import App\nfrom ringtape.feeds import Massive\n"
        "module = types.ModuleType('ringtape.cli.fields')\n"
        "module.fields = lambda: App([Massive('stocks', ['T.*'])]).run()\n"
        "sys.modules['ringtape.cli.fields'] = module\n"
        "sys.exit(cli.main(['fields']))\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=20, check=False, env=environ
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "MASSIVE_API_KEY" in done.stderr
