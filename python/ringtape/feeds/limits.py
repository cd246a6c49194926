"""How long and how large: the limits of a connection, and how it reads."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds and size limits of a connection."""

    connect_s: float = 10.0
    """Name lookup and TCP."""
    handshake_s: float = 5.0
    """TLS and the WebSocket upgrade."""
    idle_s: float = 10.0
    """Silence before a ping."""
    pong_s: float = 5.0
    """Silence after a ping before the connection is aborted."""
    close_s: float = 1.0
    """From our close to the peer's, before the connection is aborted."""
    healthy_s: float = 60.0
    """How long data must have flowed before the next loss is answered at once again."""
    rate_limited_s: float = 60.0
    """The least wait after the venue answered 429 or 418."""
    message: int = 8 << 20
    """Bytes of a frame, and of a reassembled message."""
    fragments: int = 1024
    """Frames of one message."""
    message_s: float = 30.0
    """From the first to the last frame of a message."""
    flush_events: int = 16_384
    """Events after which a long read is flushed before its end: a quarter of the engine's default event rings."""
    receive_buffer: int = 4 << 20
    """Bytes that the kernel is asked to hold for us (SO_RCVBUF): at least bandwidth times round trip, and what comes
    while a hook takes its time. The kernel may give less, see ``net.core.rmem_max``; then a warning is logged once."""
    read_buffer: int = 256 << 10
    """Bytes of one read at first; picows doubles it for larger frames."""
    listener: Literal["auto", "compiled", "python"] = "auto"
    """Which code takes frames to the engine: the compiled one where it loads, that one or none, the one in Python."""
