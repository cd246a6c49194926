"""Without any network: decode a frame, feed an engine, read it. Every line also works in a notebook.

Run: python python/examples/03_notebook_reads.py
"""

from __future__ import annotations

import json

import ringtape as rt

OPEN_MS = 1_795_185_000_000  # 2026-11-20 14:30 UTC, when regular trading begins

# One frame holds many events. `decode` shows what is in it; the engine does not go through these objects.
frame = b'[{"ev":"T","sym":"AAPL","i":"1","x":4,"p":190.25,"s":100,"t":1795185000000,"q":1,"z":3}]'
print(rt.decode(frame, venue="massive.stocks").events[0])

# The engine keeps state. It reads no clock: every frame comes with its receive time, so a replay gives the same.
engine = rt.Engine(bars=("1s", "1m"), windows=("1m",))
engine.set_reference({"AAPL": 188.0, "MSFT": 410.0})
for second in range(120):
    ms = OPEN_MS + second * 1_000
    events = [
        {"ev": "T", "sym": symbol, "i": str(second), "x": 4, "p": price, "s": 100, "t": ms, "q": second + 1, "z": 3}
        for symbol, price in (("AAPL", 190 + second / 100), ("MSFT", 409 - second / 50))
    ]
    engine.feed(json.dumps(events).encode(), "massive.stocks", recv_ns=ms * 1_000_000)
engine.advance(recv_ns=(OPEN_MS + 121_000) * 1_000_000)

# One value, one row, one column of the whole market, bars: each is a copy and may be kept.
print("last", engine.get("AAPL", "last"), " change over 1 m", f"{engine.get('AAPL', 'change(1m)'):.4%}")
print("row", {name: value for name, value in engine.row("MSFT").items() if value is not None})
table = engine.table(["last", "volume", "vwap", "change"])
for symbol, last, change in zip(table["symbol"], table["last"], table["change"], strict=True):
    print(f"{symbol:<6} {last:>8.2f} {change:>8.2%}")
for bar in engine.bars("AAPL", "1m"):
    print("1m", bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"])

# What came since the last drain, as numpy structured arrays.
batch = engine.drain()
print(len(batch.trades), "trades,", len(batch.bars), "bars, mean price", batch.trades["price"].mean().round(2))
