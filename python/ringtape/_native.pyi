"""The native core. Use it through the package; the docstrings here are the reference of the names it re-exports."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self, final, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray
from typing_extensions import Buffer, disjoint_base

__all__ = [
    "Batch",
    "Control",
    "Engine",
    "Filled",
    "IdGap",
    "Memory",
    "Notice",
    "RuleSet",
    "Simulator",
    "Table",
    "View",
    "VolumeGap",
    "__version__",
    "compile_rules",
    "debug_build",
    "decode",
    "fields",
    "record_columns",
    "simd_level",
    "venues",
]

__version__: str
debug_build: bool

@final
class Memory:
    """A read-only stretch of memory behind numpy arrays."""

    def __len__(self) -> int: ...
    if sys.version_info >= (3, 12):  # the buffer protocol has had a name in Python since then
        def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Filled:
    """What became of trades or bars that were fetched later."""

    @property
    def added(self) -> int:
        """Trades that were missing and are applied now; bars that took the place of ours."""
    @property
    def known(self) -> int:
        """Trades that had come before; bars that ours need no help from."""
    @property
    def outside(self) -> int:
        """Trades behind the end of the gap or engine time; bars that have not ended."""
    @property
    def refused(self) -> int:
        """Records of the stream that does not own the symbol, or with numbers that cannot be."""
    @property
    def too_late(self) -> int:
        """Trades whose bar is not kept any more, for each series."""

@final
class IdGap:
    """Ids of a symbol's trades that did not come (Binance)."""

    @property
    def venue(self) -> str:
        """Venue id such as ``binance.usdm``."""
    @property
    def symbol(self) -> str:
        """The symbol's name."""
    @property
    def first(self) -> int:
        """The first id that is missing."""
    @property
    def last(self) -> int:
        """The last one."""
    @property
    def start_ns(self) -> int:
        """Time of the last trade before it, Unix ns."""
    @property
    def end_ns(self) -> int:
        """Time of the first trade after it, Unix ns."""

@final
class VolumeGap:
    """Volume of a symbol that the venue counts and that did not come (Massive, where ``A`` comes beside ``T``)."""

    @property
    def venue(self) -> str:
        """Venue id such as ``massive.stocks``."""
    @property
    def symbol(self) -> str:
        """The symbol's name."""
    @property
    def start_ns(self) -> int:
        """The end of the last bar that agreed, Unix ns."""
    @property
    def end_ns(self) -> int:
        """The end of the first that did not, Unix ns."""
    @property
    def volume(self) -> float:
        """How much is missing, shares."""

@final
class Control:
    """A message about a connection, not the market."""

    @property
    def conn(self) -> int:
        """Connection number given to `Engine.feed`."""
    @property
    def kind(self) -> Literal["status", "reply", "error"]:
        """What it is: Massive's status, a reply to a request, a refusal."""
    @property
    def status(self) -> str | None:
        """Massive's status word, or ``serverShutdown``."""
    @property
    def message(self) -> str | None:
        """The text beside it."""
    @property
    def id(self) -> int | str | None:
        """Id of the request that is answered."""
    @property
    def code(self) -> int | None:
        """The venue's error code."""
    @property
    def result(self) -> Any:
        """Result of a request."""

@final
class Notice:
    """A rare event of variable shape, such as Binance's ``contractInfo``."""

    @property
    def conn(self) -> int:
        """Connection number given to `Engine.feed`."""
    @property
    def ts_recv(self) -> int:
        """Receive time of the frame, Unix ns."""
    @property
    def seq(self) -> int:
        """Engine sequence number, in one order with those of records."""
    @property
    def venue(self) -> str:
        """Venue id such as ``binance.usdm``."""
    @property
    def kind(self) -> str:
        """What the event calls itself."""
    @property
    def data(self) -> bytes:
        """The JSON text of the event, validated."""

@final
class Batch:
    """Records of one drain, as read-only structured arrays in order of application.

    Valid on the feed's thread until the next `Engine.feed`; arrays that are kept are never overwritten. The columns
    of each kind are those of `ringtape.events.dtypes`. ``len()`` counts records over all kinds; a batch is true where
    it holds a record, a notice, a control message or a loss. An array is made when it is first asked for.
    """

    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    @property
    def trades(self) -> NDArray[np.void]:
        """Trades."""
    @property
    def quotes(self) -> NDArray[np.void]:
        """Quotes."""
    @property
    def bars(self) -> NDArray[np.void]:
        """Own bars that ended, or were revised by a late trade (flag 2); ``series`` is a place in `Engine.series`."""
    @property
    def venue_bars(self) -> NDArray[np.void]:
        """Bars as the venue sent them."""
    @property
    def marks(self) -> NDArray[np.void]:
        """Mark prices."""
    @property
    def bands(self) -> NDArray[np.void]:
        """Limit up, limit down bands."""
    @property
    def imbalances(self) -> NDArray[np.void]:
        """Auction imbalances."""
    @property
    def values(self) -> NDArray[np.void]:
        """Single values; ``what`` is a place in `ringtape.events.VALUE_NAMES`."""
    @property
    def tickers(self) -> NDArray[np.void]:
        """Rolling 24-hour statistics."""
    @property
    def liquidations(self) -> NDArray[np.void]:
        """Forced orders."""
    @property
    def levels(self) -> NDArray[np.void]:
        """Price levels, one record a level: ``flags`` 1 begins a message and 2 ends it, ``side`` 1 bid, 2 offer.

        ``depth`` is a place in `ringtape.events.DEPTH_NAMES`.
        """
    @property
    def asset_indexes(self) -> NDArray[np.void]:
        """Indices of margin assets."""
    @property
    def notices(self) -> list[Notice]:
        """Rare events of variable shape, oldest first."""
    @property
    def signals(self) -> NDArray[np.void]:
        """Signals of the rules; ``rule`` is a place in `Engine.rule_ids`."""
    @property
    def control(self) -> list[Control]:
        """Control messages, oldest first."""
    @property
    def lost(self) -> dict[str, int]:
        """Records that were overwritten before this drain, by kind; only kinds that lost some."""

@final
class Table:
    """A copy of some fields of every symbol, in symbol-id order. Rows are whole; the table is not one instant."""

    def __len__(self) -> int: ...
    def __contains__(self, name: str, /) -> bool: ...
    def __getitem__(self, name: str, /) -> NDArray[Any]:
        """Return a column: float64 with NaN where undefined, int64 Unix ns for times, strings for symbol and venue."""
    @property
    def names(self) -> list[str]:
        """Names of the columns, ``symbol`` and ``venue`` first."""
    @property
    def sequence(self) -> tuple[int, int]:
        """Least and greatest row sequence that the table was copied at."""
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the table as one structured array."""
    def __arrow_c_schema__(self) -> object:
        """Return the schema of `__arrow_c_stream__` as a capsule of the Arrow PyCapsule interface."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the table as an Arrow stream of one batch: what ``polars.DataFrame(table)`` and others call.

        A copy, made at each call. Columns are ``symbol`` (utf8), ``venue`` (dictionary of utf8), float64, and
        ``timestamp[ns, UTC]`` for times, with null where undefined. The schema's metadata holds `sequence` as
        ``sequence_least`` and ``sequence_greatest``. A requested schema is not heeded, which the interface allows.
        """

@final
class RuleSet:
    """Compiled rules, from `compile_rules`."""

    def __len__(self) -> int: ...
    @property
    def ids(self) -> list[str]:
        """Ids, in the order in which signals number the rules."""
    @property
    def titles(self) -> list[str]:
        """Titles, in the order of the ids."""
    @property
    def severities(self) -> list[str]:
        """Severity of each rule: low, medium or high."""
    @property
    def moments(self) -> list[str]:
        """Moment of each rule: trade, quote or tick."""
    @property
    def show(self) -> list[list[str]]:
        """Fields to show beside the alerts of each rule."""
    @property
    def fields(self) -> list[str]:
        """The fields that the rules read, each once."""
    @property
    def windows(self) -> list[str]:
        """The windows that the rules and their shown fields need."""

@final
class Engine:
    """A market-data engine: frames in; rows, bars, batches and signals out.

    One owner feeds, advances and drains it; a second call at the same time, or from inside one, raises `EngineBusy`.
    Reads copy from the rings and may come from any thread.

    Parameters
    ----------
    bars
        Series of the bars built from trades, default ``("1s", "1m")``: intervals of whole seconds, ``1s`` to ``1d``,
        and kinds with a threshold, such as ``tick:1000``, ``volume:50000``, ``dollar_imbalance:1000000``,
        ``range:0.25`` or ``renko:0.5``; docs/bars.md has them all.
    windows
        Windows kept from the start, such as ``("1m", "5m")``; rules, columns and tables register theirs when they come.
    max_symbols
        Symbols that fit; more are refused and counted.
    pin
        Symbols whose bars are also kept side by side, so that ``bars(..., copy=False)`` is a view.
    shared
        Name of shared memory, 1 to 64 letters, digits, ``-`` or ``_``: other processes of this user read it by
        `ringtape.attach`. None keeps everything in private memory. The file takes all of its space at once; how much is
        logged, and depends on `max_bars`, `max_symbols`, `max_windows`, `max_columns` and `ring_size`.
    ring_size
        Records that each event ring keeps for its readers; rounded up to a power of two.
    max_windows
        Places for windows in every row, at most 64.
    max_columns
        Places for live columns, at most 64.
    max_fields
        Places for derived fields in every row, at most 64; see docs/fields.md.
    max_bars
        Bars kept over all symbols and intervals; beyond it the coldest symbols give theirs up, counted.
    rollover
        When a trading day of US venues begins on the New York clock, see `ringtape.sessions.days`; default ``"04:00"``.
        Days of crypto are UTC dates.
    shared_group
        A group whose members may read the shared memory, too.

    Raises
    ------
    ConfigError
        A value is out of range; the message says which and what fits.
    SharedMemoryError
        Another process writes under that name, or there is no room.
    """

    def __new__(
        cls,
        bars: Sequence[str] | None = None,
        windows: Sequence[str] | None = None,
        max_symbols: int = 20_000,
        pin: Sequence[str] | None = None,
        shared: str | None = None,
        *,
        ring_size: int = 65_536,
        max_windows: int = 16,
        max_columns: int = 32,
        max_fields: int = 64,
        max_bars: int = 1_000_000,
        shared_group: str | None = None,
        rollover: str | None = None,
    ) -> Engine: ...
    def feed(self, frame: Buffer, venue: str, recv_ns: int, conn: int = 0) -> int:
        """Apply one frame and return the number of its events that were applied.

        Never raises for a bad frame: what is rejected or skipped is counted by reason in `stats`. Takes any contiguous
        buffer without a copy; nobody may write into it during the call.

        Parameters
        ----------
        frame
            Payload of one WebSocket message.
        venue
            Venue id such as ``massive.stocks``.
        recv_ns
            When it was received, Unix ns. The engine reads no clock.
        conn
            Connection number, handed on with records and control messages.

        Raises
        ------
        UnknownVenue, EngineBusy
        ConfigError
            The time zones that US trading days need are not installed.
        """
    def advance(self, recv_ns: int) -> None:
        """Let time pass without a frame: windows decay, bars end, dates change, tick rules run."""
    def drain(self) -> Batch:
        """Return what came since the last drain. A forgotten drain ends in `Batch.lost`, not in growth."""
    def set_reference(
        self,
        table: Mapping[str, float | Mapping[str, Any]] | Iterable[Mapping[str, Any]],
        venue: str = "massive.stocks",
    ) -> int:
        """Give what is known of symbols from elsewhere and return of how many.

        Takes ``{"AAPL": 190.5}`` for previous closes, ``{"AAPL": {"prev_close": 190.5, "float": 1.5e10}}``, or rows
        with a column ``symbol``. What describes past days holds for the current trading date, or for the first one if
        there was no event yet; for the next date it is to be given again. A column that is left out, or None, leaves
        what was given before; fields without their columns are undefined.

        ``prev_close``
            Close of the previous trading date, split-adjusted, quote currency; without it that of the last of ``days``.
        ``prev_open``, ``prev_high``, ``prev_low``, ``prev_volume``
            The same date's; without them those of the last of ``days``.
        ``days``
            Completed days, oldest first, the last one the previous trading date: each (open, high, low, close, volume),
            with True behind it for a half day, or a mapping of these names and ``half``.
        ``sigma_1m``
            Deviation of one-minute returns of the regular session, a fraction.
        ``volume_profile``, ``trade_profile``
            Of each of the last 20 comparable days, oldest first, the volume or number of trades so far at the end of
            each minute from the start of the date on (04:00 New York, 00:00 UTC); half days left out.
        ``float``, ``shares_outstanding``, ``funding_interval``
            Shares, and hours between funding payments; they hold until they are given again.
        ``open_interest``
            Contracts, as of now: give it again whenever the venue was asked.

        Raises
        ------
        ConfigError
            An unknown column, with the nearest one, or a value that cannot be: no price, a day that is no bar, a
            running sum that falls.
        """
    def mark_gap(self, venue: str, start_ns: int, end_ns: int | None = None, symbol: str | None = None) -> None:
        """Say that trades of a venue, or of one of its symbols, did not come from one engine time to another.

        Without an end it goes on until the same start is given with one. Windows that touch the gap are undefined,
        ``coverage(w)`` tells how much came, bars carry the flag of a hole, and rules start over: nothing fires for
        what happened meanwhile. Day sums go on from what did come. Gaps in Binance's ids are marked by the engine.

        Raises
        ------
        UnknownVenue, UnknownSymbol, ConfigError
        """
    def fill_gap(self, venue: str, start_ns: int, end_ns: int, symbol: str | None = None) -> None:
        """Say that what did not come has been fed after all, so that windows are defined again.

        Trades inside a gap change sums, windows and bars, and fire no rule.
        """
    def backfill(self, venue: str, symbol: str, trades: NDArray[np.void], start_ns: int, end_ns: int) -> Filled:
        """Merge trades of one symbol that were fetched later, and take the time from start to end for filled.

        ``trades`` has the columns of ``ringtape.events.dtypes()["trades"]``; what the engine knows better (symbol,
        venue, ``seq``) is ignored. Those that have come before are known by their identity and counted, so they may
        begin before the gap. The others count by their tape time in the day, windows and time bars, however old, as
        long as the bar is kept; bars that are whole now are sent again as repaired. They never become ``last``, get no
        side but the venue's, complete no bar that is cut by trading, stand in no event ring, and no rule fires for
        them; rules of the symbol start over. Ids that are still missing stay a gap. Cost: a few times that of live
        trades; call it in parts of some thousands. See docs/gaps.md.

        Raises
        ------
        UnknownVenue, UnknownSymbol, ConfigError, EngineBusy
        """
    def backfill_bars(self, venue: str, symbol: str, interval: str, bars: NDArray[np.void]) -> Filled:
        """Put a venue's bars in the place of own time bars of that length that have a hole, or that one swallowed.

        ``bars`` has the columns of ``ringtape.events.dtypes()["bars"]``, prices and ``volume_e8`` filled in; NaN where
        ``vwap``, ``dollar_volume`` or ``buy_volume`` are not known. Windows, sums of the day and other series do not
        change.

        Raises
        ------
        UnknownVenue, UnknownSymbol, ConfigError, EngineBusy
        """
    def correct(self, venue: str, symbol: str, trades: NDArray[np.void]) -> Filled:
        """Count the current trading date of one symbol anew, from its whole tape as it is known now.

        No stream tells of trades that were cancelled or changed: REST does, and flat files. ``trades`` are all trades
        of the date that hold, with the columns of ``ringtape.events.dtypes()["trades"]``, as `backfill` takes them.
        Day, ``last``, windows and time bars equal a run over that tape; bars that differ are sent again as revised, one
        that nothing is left of is kept no more and not sent. Sides, ticks and streaks are undefined until they are
        known anew, bars that are cut by trading stay, no rule fires, and rules of the symbol start over. ``added``
        counts the trades, ``known`` those of them that have come before. Cost: about 0.5 µs a trade and three windows.

        Raises
        ------
        UnknownVenue, UnknownSymbol, ConfigError, EngineBusy
        """
    def take_id_gaps(self) -> list[IdGap]:
        """Return the ids that were found missing since the last call.

        10,000 are kept; more count as ``id_gaps_lost``.
        """
    def take_volume_gaps(self) -> list[VolumeGap]:
        """Return where a venue's second bars have counted more volume than came, since the last call.

        The bars' accumulated volume is compared with the trades up to the end of each bar. How far the venue was ahead
        in the first three bars of a date is no loss; one of more than 100 shares and a hundred thousandth of the day's
        volume beyond that, in two bars after each other, is. Nothing is marked: see `mark_gap`. 10,000 are kept.
        """
    def set_sessions(self, venue: str, days: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Give trading days as (yyyymmdd, start, open, close, end), Unix ns.

        For days that it was not given the engine asks `ringtape.sessions.days`.
        """
    def set_rules(self, rules: RuleSet) -> None:
        """Replace the rules. The new ones start in warm-up: state that already holds fires nothing."""
    def rule_ids(self) -> list[str]:
        """Return the ids of the rules, by the number in ``signals["rule"]``."""
    def symbols(self) -> list[tuple[int, str, str]]:
        """Return (id, venue, name) of every symbol, in id order."""
    def series(self) -> list[str]:
        """Return the series of bars, by the number in ``bars["series"]``: intervals first, then the other kinds."""
    def symbol_name(self, id: int) -> str:
        """Return the name of a symbol id."""
    @overload
    def get(self, symbol: str, field: str) -> float | int | None: ...
    @overload
    def get(self, symbol: str, field: tuple[str, ...] | list[str]) -> tuple[float | int | None, ...]:
        """Return one field of one symbol, None where it is undefined; or a tuple of several, of one moment.

        A copy, from any thread. What a name means is remembered by the object, so names that are kept, as literals are,
        make it quick: about 0.1 µs for one field or a few.

        ``symbol`` is a name, or ``venue:name`` where several venues have it. Windows are as of the symbol's last
        change or the last `advance`, whichever came later. A window that is not registered is
        computed from what others still hold, or is None. A derived field is collected from the first time it is asked
        for; what passed before is missing. Codes come as numbers, see docs/fields.md.

        Raises
        ------
        UnknownSymbol, AmbiguousSymbol, UnknownField
        """
    def row(self, symbol: str) -> dict[str, float | int | None]:
        """Return every field of a symbol: windowed ones for registered windows, derived ones that were asked for."""
    def table(self, fields: Sequence[str]) -> Table:
        """Return the fields of every symbol as a copy, one row a symbol; what is new of them is registered."""
    def column(self, field: str, copy: bool = True) -> NDArray[np.float64]:
        """Return one field of every symbol, in symbol-id order.

        ``copy=False`` gives the live column: read-only, each value whole, no two of the same moment. It covers the
        symbols known when it was asked for, and is the same array as long as no symbol is new.
        """
    def bars(
        self,
        symbol: str,
        interval: str,
        n: int | None = None,
        source: Literal["own", "venue"] = "own",
        forming: bool = False,
        copy: bool = True,
    ) -> NDArray[np.void]:
        """Return the newest `n` bars of a symbol, oldest first, with the columns of `ringtape.events.dtypes`.

        ``interval`` is one of `series`; ``flags`` adds up 1 complete, 2 revised, 4 OTC, 8 repaired, 16 has a hole.
        ``source="venue"`` gives the bars that the venue sent; ``forming=True`` adds the one that has not ended;
        ``copy=False`` a view of a pinned symbol's bars, valid until the next `feed`.
        """
    def stats(self) -> dict[str, Any]:
        """Return all counters; see docs/counters.md."""

@disjoint_base
class View:
    """What an engine published in shared memory, to be read from another process. Made by `ringtape.attach`.

    Every read is a copy made between two looks at a sequence, as those of `Engine`. Raises `WriterGone` or
    `WriterReplaced` once that is so.
    """

    def __new__(cls, segment: Any) -> Self: ...
    @property
    def stalled(self) -> bool:
        """True where the writer lives and has not called `advance` for a second, or stands still inside a row.

        What is read is then the last that was whole.
        """
    @property
    def lost(self) -> dict[str, int]:
        """Records that were overwritten before `drain` or `follow` could read them, by kind."""
    @property
    def pid(self) -> int:
        """The writer's process."""
    @property
    def generation(self) -> int:
        """A number that tells writers of one name apart."""
    def symbols(self) -> list[tuple[int, str, str]]:
        """Return (id, venue, name) of every symbol, in id order."""
    def series(self) -> list[str]:
        """Return the series of bars, by the number in ``bars["series"]``: intervals first, then the other kinds."""
    def symbol_name(self, id: int) -> str:
        """Return the name of a symbol id."""
    @overload
    def get(self, symbol: str, field: str) -> float | int | None: ...
    @overload
    def get(self, symbol: str, field: tuple[str, ...] | list[str]) -> tuple[float | int | None, ...]:
        """Return one field of one symbol, None where it is undefined; or a tuple of several, of one moment. A copy.

        Raises
        ------
        UnknownSymbol, AmbiguousSymbol, UnknownField
        ConfigError
            A window that the writer's own process did not register.
        """
    def row(self, symbol: str) -> dict[str, float | int | None]:
        """Return every field of a symbol, and its windowed fields for the registered windows. A copy, whole."""
    def table(self, fields: Sequence[str]) -> Table:
        """Return the fields of every symbol as a copy, one row a symbol: each whole, all of them not one instant."""
    def column(self, field: str, copy: bool = True) -> NDArray[np.float64]:
        """Return a live column of the writer's, as `Engine.column`."""
    def bars(
        self, symbol: str, interval: str, n: int | None = None, source: Literal["own", "venue"] = "own"
    ) -> NDArray[np.void]:
        """Return the newest `n` bars of a symbol that have ended, oldest first. A copy, of one moment."""
    def stats(self) -> dict[str, Any]:
        """Return the plain counters and the venues' times as of the writer's last `advance`."""
    def drain(self) -> Batch:
        """Return what was published since the last call, or since the view was made. Never waits."""

@final
class Simulator:
    """A seeded pretend market: time goes in, frames of a venue's protocol come out.

    It reads no clock and opens no socket. The same arguments and times give the same bytes, however the time is cut.
    Stocks speak Massive's protocol, crypto Binance's USD-M futures. Subscribers are known by the number that `open`
    returned; a number that names none gives None, False or no frames.

    Parameters
    ----------
    seed
        Seed of every draw, 0 to 2**64 - 1. Symbol names do not depend on it; previous closes depend on nothing else.
    symbols
        Number of symbols, 1 to 20,000.
    rate
        Trades and quotes a second over all symbols, 1 to 10,000,000; bars and mark prices come on top.
    kind
        ``"stocks"`` or ``"crypto"``.
    start_ns
        The market's opening, Unix ns between the years 2000 and 2100.

    Raises
    ------
    ConfigError
        A value is out of range; the message says which and what fits.
    """

    def __new__(
        cls, *, seed: int, symbols: int, rate: int, kind: Literal["stocks", "crypto"], start_ns: int
    ) -> Simulator: ...
    @property
    def now(self) -> int:
        """The market's time, Unix ns: the greatest that `advance` or `rest` was given."""
    @property
    def events(self) -> int:
        """Events made so far."""
    def advance(self, to_ns: int) -> None:
        """Make the events up to and including `to_ns`; a time that has passed does nothing."""
    def rest(self, to_ns: int) -> None:
        """Let time pass without orders, as after the machine slept: only bars and mark prices that were due come."""
    def set_rate(self, rate: int) -> None:
        """Change the rate from the next order on, as in a burst; the bytes then depend on the time of the change too.

        Raises
        ------
        ConfigError
            The rate is not 1 to 10,000,000.
        """
    def symbols(self) -> list[str]:
        """Return the names of the symbols, the most active first."""
    def prev_closes(self) -> dict[str, float]:
        """Return yesterday's closing price of each symbol, in quote currency."""
    def open(self, route: Literal["all", "public", "market"] = "all") -> int:
        """Return the number of a new subscriber, who will be handed what it subscribes to from now on.

        ``"public"`` and ``"market"`` are Binance's paths: streams of the other one are accepted and stay silent.

        Raises
        ------
        ConfigError
            Unknown route, or 1,024 subscribers already.
        """
    def close(self, handle: int) -> bool:
        """Forget a subscriber; False where there was none."""
    def subscribe(self, handle: int, name: str) -> Literal["done", "unchanged", "unknown_channel", "full"] | None:
        """Add a channel (``T.*``, ``A.BRK.B``) or stream (``btcusdt@aggTrade``) and return what became of it.

        Unknown symbols and, on Binance, unknown streams are ``"done"`` and silent, as on the venues.
        """
    def unsubscribe(self, handle: int, name: str) -> Literal["done", "unchanged", "unknown_channel"] | None:
        """Remove a channel or stream and return what became of it."""
    def subscriptions(self, handle: int) -> list[str] | None:
        """Return the names that a subscriber holds, in alphabetical order."""
    def set_combined(self, handle: int, combined: bool) -> bool:
        """Choose whether a Binance subscriber gets payloads in the combined envelope; False for no such subscriber."""
    def lost(self, handle: int) -> int | None:
        """Return the events that a subscriber lost because it fetched too late; the market keeps 64 MiB."""
    def frames(self, handle: int, max_events: int = 100) -> list[bytes]:
        """Return what a subscriber wants and has not seen, oldest first.

        Massive frames are arrays of at most `max_events` events and 513 KiB; Binance frames are one event each.
        """

def compile_rules(rules: Sequence[dict[str, Any]], /) -> RuleSet:
    """Compile rules given as mappings with ``id``, ``when`` and options.

    Raises
    ------
    RuleError
        With line, caret, reason and suggestion of every mistake.
    """

def decode(frame: Buffer, venue: str) -> tuple[list[tuple[str, dict[str, Any]]], list[Control], list[dict[str, Any]]]:
    """Decode one frame into events as (kind, record), control messages and skipped events."""

def fields() -> list[dict[str, Any]]:
    """Return the field catalogue, one dict a field.

    Keys: name, args, unit, moment, formula, inputs, undefined, derived, and names for codes.
    """

def record_columns() -> dict[str, list[Any]]:
    """Return the columns of every kind of record, as numpy's dtype takes them."""

def venues() -> list[str]:
    """Return the names of all venues."""

def simd_level() -> str:
    """Return the level of instructions that decoding uses on this machine: ``avx512``, ``avx2`` or ``scalar``."""
