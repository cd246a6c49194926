"""The first minute: a pretend US market on this machine, live bars and alerts. No key, no network.

Run: python python/examples/01_first_minute.py
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import uvloop

import ringtape as rt
from ringtape import scanner, sim
from ringtape.strategy import Context

RULES = scanner.read("""
[[rule]]
id = "burst"
title = "Burst"
when = "abs(change(5s)) > 0.15% and dollar_volume(5s) > 100K"
cooldown = "30s"
""")


class Screen(rt.Strategy):
    """Prints every closed second of two symbols, and every alert."""

    wants = (rt.Want("bars", interval="1s", symbols=["SPY", "NVDA"]), rt.Want("signals"))

    def on_bar(self, ctx: Context, bar: np.void) -> None:
        """Print one bar."""
        symbol = ctx.symbol(bar["symbol"])
        start = np.datetime64(int(bar["ts_event"]), "ns").astype("datetime64[s]")
        print(f"{start}  {symbol:<5}{bar['close']:>9.2f}{bar['volume']:>9,.0f}{ctx.get(symbol, 'change'):>+9.2%}")

    def on_signal(self, ctx: Context, signal: np.void) -> None:
        """Print one alert."""
        print(f"{RULES.titles[signal['rule']]:>19}  {ctx.symbol(signal['symbol']):<5}{signal['price']:>9.2f}")


async def main(seconds: float) -> None:
    """Run the market and an app that follows it, on one loop."""
    async with sim.serve(seed=7, symbols=100, rate=2_000) as server:
        feed = rt.feeds.Massive("stocks", ["T.*", "Q.*"], url=server.url, key="any")
        app = rt.App([feed], [Screen()], rules=RULES)
        app.engine.set_reference(sim.reference(seed=7, symbols=100))
        asyncio.get_running_loop().call_later(seconds, app.stop)
        await app.serve()
        print(f"{app.health().connections[0].events:,} events")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    uvloop.run(main(parser.parse_args().seconds))
