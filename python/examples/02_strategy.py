"""A strategy: rolling volume-weighted prices from trades, and what the engine already knows.

`on_trades` gets a batch after each read of the socket, as a numpy structured array: no Python work for each trade.

Run: python python/examples/02_strategy.py
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import uvloop

import ringtape as rt
from ringtape import sim
from ringtape.strategy import Context
from ringtape.strategy.base import Records

LIMIT = 10_000.0  # dollars


class Pressure(rt.Strategy):
    """Says when buyers or sellers of a coin have had the upper hand for ten thousand dollars."""

    wants = (rt.Want("trades", symbols=["BTCUSDT", "ETHUSDT"]), rt.Want("bars", interval="1s", symbols=["BTCUSDT"]))

    def __init__(self) -> None:
        self.balance: dict[int, float] = {}

    def on_trades(self, ctx: Context, trades: Records) -> None:
        """Add what buyers took and subtract what sellers took (side 1 and 2)."""
        signed = np.where(trades["side"] == 1, 1.0, -1.0) * trades["price"] * trades["size"]
        for symbol in np.unique(trades["symbol"]).tolist():
            balance = self.balance.get(symbol, 0.0) + float(signed[trades["symbol"] == symbol].sum())
            if abs(balance) > LIMIT:
                side = "buyers" if balance > 0 else "sellers"
                name = ctx.symbol(symbol)
                print(f"{name:<8} {side:<8} {abs(balance):>12,.0f} at {ctx.get(name, 'last')}")
                balance = 0.0
            self.balance[symbol] = balance

    def on_bars(self, ctx: Context, bars: Records) -> None:
        """Look at the last five bars of the one that closed."""
        closes = ctx.bars("BTCUSDT", "1s", 5)["close"]
        print(f"BTCUSDT  {len(bars)} bar, the last closes: {', '.join(f'{close:.1f}' for close in closes)}")

    def on_connection(self, ctx: Context, feed: str, state: str) -> None:
        """Say how the connections are: one for the path of quotes, one for the path of trades."""
        print(f"{feed}: {state}, engine time {ctx.now}")


async def main(seconds: float) -> None:
    """Run the market and an app that follows it, on one loop."""
    streams = ["btcusdt@aggTrade", "ethusdt@aggTrade", "btcusdt@bookTicker"]
    async with sim.serve(seed=7, symbols=20, rate=500) as server:
        app = rt.App([rt.feeds.Binance("usdm", streams, url=server.url)], [Pressure()])
        asyncio.get_running_loop().call_later(seconds, app.stop)
        await app.serve()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    uvloop.run(main(parser.parse_args().seconds))
