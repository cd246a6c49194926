"""Types for msgspec: every key that occurs in the corpora, tagged by the venue's word for the kind, without the GC."""

from __future__ import annotations

import msgspec


class T(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    p: float
    s: int
    t: int
    x: int | None = None
    i: str | None = None
    z: int | None = None
    c: list[int] | None = None
    ds: str | None = None
    pt: int | None = None
    q: int | None = None
    trfi: int | None = None
    trft: int | None = None


class Q(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    t: int
    bx: int | None = None
    bp: float | None = None
    bs: int | None = None
    ax: int | None = None
    ap: float | None = None
    as_: int | None = msgspec.field(default=None, name="as")
    c: int | None = None
    i: list[int] | None = None
    pt: int | None = None
    q: int | None = None
    z: int | None = None


class A(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    v: int
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's key
    s: int
    e: int
    vw: float | None = None
    a: float | None = None
    av: int | None = None
    op: float | None = None
    z: float | None = None
    dv: str | None = None
    dav: str | None = None
    otc: bool | None = None


class AM(A, tag_field="ev", gc=False):
    pass


MassiveFrame = list[T | Q | A | AM]

# Binance writes its decimals as strings, and strings they stay here: to make floats of them takes longer.


class Ticker(msgspec.Struct, tag_field="e", tag="bookTicker", gc=False):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str
    T: int
    E: int
    ps: str | None = None
    st: int | None = None


class AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    E: int
    a: int
    s: str
    p: str
    q: str
    f: int
    l: int  # noqa: E741 - the venue's key
    T: int
    m: bool
    nq: str | None = None
    st: int | None = None


class Candle(msgspec.Struct, gc=False):
    t: int
    T: int
    s: str
    i: str
    f: int
    L: int
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's key
    v: str
    n: int
    x: bool
    q: str
    V: str
    Q: str
    B: str


class Kline(msgspec.Struct, tag_field="e", tag="kline", gc=False):
    E: int
    s: str
    k: Candle
    st: int | None = None


class MarkPrice(msgspec.Struct, tag_field="e", tag="markPriceUpdate", gc=False):
    E: int
    s: str
    p: str
    P: str
    i: str
    r: str
    T: int
    ap: str | None = None
    st: int | None = None


class BinanceFrame(msgspec.Struct, gc=False):
    stream: str
    data: Ticker | AggTrade | Kline | MarkPrice | list[MarkPrice]
