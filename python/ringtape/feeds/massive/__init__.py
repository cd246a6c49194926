"""Massive (formerly Polygon.io): US stocks, options, indices, futures, forex and crypto."""
