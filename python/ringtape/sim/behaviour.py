"""How the pretend venues behave, and what they did."""

from __future__ import annotations

from typing import Literal

import msgspec

from ringtape.errors import ConfigError

__all__ = ["Behaviour", "Stats"]

_MAY_BE_ZERO = frozenset({"max_connections", "rest_requests_per_min"})


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the pretend venues behave; the defaults are what the real ones were seen to do, where that is known.

    Attributes
    ----------
    bad_key
        The key that Massive refuses; the empty key is refused too.
    auth_timeout_s
        How long Massive waits for the key.
    unentitled
        Massive channels that the key's plan lacks, such as ``NOI``.
    max_connections
        Streaming connections of one Massive market; 0 for any number.
    evict
        Which connection goes when there are more: the newcomer, or the oldest.
    batch
        Most events of one Massive frame.
    ping_s, pong_s
        How often Binance sends a ping, and how long it waits for any pong before it drops the connection.
    requests_per_s
        Requests that Binance takes in a second before it closes the connection.
    streams
        Streams of one Binance connection; one more costs the connection.
    write_buffer
        Bytes that may wait for a slow client before it is cut off. One more step of the market, a second's worth of
        events at the most, may come on top.
    close_s
        From our close to the end of the connection, whatever the client does.
    life_s
        From the opening of a Binance connection to its end, which comes without a word.
    rest_requests_per_min
        Massive's REST requests in a minute before it answers 429; 0 for any number, 5 as on its free plan.
    rest_weight_per_min
        Binance's REST weight in a minute before it answers 429, and 418 for two minutes where that is ignored.
    """

    bad_key: str = "bad-key"
    auth_timeout_s: float = 10.0
    unentitled: frozenset[str] = frozenset()
    max_connections: int = 0
    evict: Literal["newer", "older"] = "newer"
    batch: int = 100
    ping_s: float = 180.0
    pong_s: float = 600.0
    requests_per_s: int = 15
    streams: int = 1024
    write_buffer: int = 8 << 20
    close_s: float = 5.0
    life_s: float = 86_400.0
    rest_requests_per_min: int = 0
    rest_weight_per_min: int = 2400

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            A number is not above zero; only `max_connections` and `rest_requests_per_min` may be zero.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and (value < 0 or (value == 0 and name not in _MAY_BE_ZERO)):
                raise ConfigError(f"{name} is {value}: write a number above zero", name, "arguments")


class Stats(msgspec.Struct):
    """What a server did so far.

    Attributes
    ----------
    connections, refused
        Connections accepted; requests refused, for their path or because 1,024 clients are there.
    frames, bytes
        Messages sent to clients, and their bytes with framing.
    slow_clients
        Clients cut off because they did not keep up.
    lost
        Events that clients wanted or not and were never sent, because the server itself was too late.
    requests
        REST requests answered.
    rests
        Times the market rested because the machine slept or fell more than a second behind.
    withheld, repeated
        Events that faults kept back for good, and events and frames that they sent again.
    faults
        Strikes of faults by kind.
    """

    connections: int = 0
    refused: int = 0
    frames: int = 0
    bytes: int = 0
    slow_clients: int = 0
    lost: int = 0
    requests: int = 0
    rests: int = 0
    withheld: int = 0
    repeated: int = 0
    faults: dict[str, int] = {}
