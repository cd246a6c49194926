"""Binance: USD-M futures, COIN-M futures and spot."""
