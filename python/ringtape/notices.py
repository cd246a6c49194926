"""Rare events of variable shape as typed values: Binance's user data, contracts, sessions and composite indices.

The core checks the keys and types of such an event and hands its JSON text on (`ringtape.events.Notice`, and
``Batch.notices`` of a drain); `read` makes the values below of it. Times are Unix nanoseconds, prices in quote
currency, sizes in coins or contracts, amounts in the asset that is named beside them, rates as fractions unless a
docstring says percent. Words that only the venue defines (order types, states, reasons) are kept as they come. What an
event does not say is None.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

__all__ = [
    "AccountConfig",
    "AccountUpdate",
    "AlgoUpdate",
    "Balance",
    "Bracket",
    "Component",
    "CompositeIndex",
    "ContractInfo",
    "GridUpdate",
    "ListenKeyExpired",
    "MarginCall",
    "MarginPosition",
    "OrderUpdate",
    "Position",
    "Special",
    "StrategyUpdate",
    "TradeLite",
    "TradingSession",
    "TriggerReject",
    "read",
]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A balance that changed: ``change`` is what came other than by profit, loss and fees. In units of ``asset``."""

    asset: str
    wallet: float
    cross_wallet: float
    change: float


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A position that changed: ``amount`` is signed, short below zero; ``realized`` is summed since it was opened.

    ``margin_type`` is ``cross`` or ``isolated``; ``side`` is ``BOTH``, ``LONG`` or ``SHORT``. Profits and the isolated
    wallet are in units of the margin asset.
    """

    symbol: str
    amount: float
    entry_price: float
    break_even_price: float | None = None
    realized: float
    unrealized: float
    margin_type: str
    isolated_wallet: float
    side: str
    margin_asset: str | None = None


class AccountUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """Balances and positions that changed (``ACCOUNT_UPDATE``), and why: ``ORDER``, ``FUNDING_FEE``, ``DEPOSIT``, ...

    ``symbol`` is set for funding. A funding fee of a cross position changes balances only.
    """

    venue: str
    ts_event: int
    ts_sent: int
    reason: str
    balances: list[Balance] = []
    positions: list[Position] = []
    symbol: str | None = None


class OrderUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was placed, changed, filled or ended (``ORDER_TRADE_UPDATE``).

    ``execution`` is what happened (``NEW``, ``TRADE``, ``CANCELED``, ``CALCULATED`` for a liquidation, ``EXPIRED``,
    ``AMENDMENT``), ``status`` what it is now. ``last_size``, ``last_price``, ``fee``, ``trade_id`` (0 for none) and
    ``realized`` belong to this fill; ``filled`` and ``average_price`` to all. ``bids_notional`` and ``asks_notional``
    are those of open orders, ``callback_rate`` is in percent, ``good_till`` is 0 for none.
    """

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    ts_trade: int
    client_id: str
    order_id: int
    side: str
    position_side: str
    order_type: str
    original_type: str | None = None
    time_in_force: str
    size: float
    price: float
    average_price: float
    stop_price: float | None = None
    execution: str
    status: str
    modify_id: int | None = None
    last_size: float
    last_price: float
    filled: float
    fee: float | None = None
    fee_asset: str | None = None
    trade_id: int
    maker: bool
    reduce_only: bool
    close_position: bool | None = None
    bids_notional: float | None = None
    asks_notional: float | None = None
    working_type: str | None = None
    activation_price: float | None = None
    callback_rate: float | None = None
    price_protect: bool | None = None
    realized: float | None = None
    self_trade_prevention: str | None = None
    price_match: str | None = None
    good_till: int | None = None
    expiry_reason: str | None = None


class TradeLite(msgspec.Struct, frozen=True, kw_only=True):
    """A fill, earlier and shorter than its `OrderUpdate` (``TRADE_LITE``). ``size`` and ``price`` are the order's."""

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    client_id: str
    order_id: int
    trade_id: int
    side: str
    size: float
    price: float
    last_size: float
    last_price: float
    maker: bool


class AlgoUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order and what became of it (``ALGO_UPDATE``).

    ``status`` is ``NEW``, ``CANCELED``, ``TRIGGERING``, ``TRIGGERED``, ``FINISHED``, ``REJECTED`` or ``EXPIRED``;
    ``FINISHED`` is said of a filled order and of one that was cancelled in the book: ``executed`` tells. ``order_id``
    is that of the order it became, ``executed_type`` its type. ``trigger_time`` and ``good_till`` are 0 for none.
    """

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    client_id: str
    algo_id: int
    algo_type: str
    order_type: str
    side: str
    position_side: str
    time_in_force: str
    size: float
    status: str
    order_id: str | None = None
    average_price: float | None = None
    executed: float | None = None
    executed_type: str | None = None
    trigger_price: float
    price: float
    self_trade_prevention: str | None = None
    working_type: str | None = None
    price_match: str | None = None
    close_position: bool | None = None
    price_protect: bool | None = None
    reduce_only: bool | None = None
    trigger_time: int | None = None
    good_till: int | None = None
    reject_reason: str | None = None
    activated: bool | None = None


class MarginPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that needs margin: ``amount`` is signed, ``maintenance`` the margin it must have."""

    symbol: str
    side: str
    amount: float
    margin_type: str
    isolated_wallet: float
    mark_price: float
    unrealized: float
    maintenance: float


class MarginCall(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that positions are near liquidation (``MARGIN_CALL``); ``cross_wallet`` is set for cross margin."""

    venue: str
    ts_sent: int
    cross_wallet: float | None = None
    positions: list[MarginPosition]


class AccountConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that changed (``ACCOUNT_CONFIG_UPDATE``): the leverage of a symbol, or the multi-assets mode."""

    venue: str
    ts_event: int
    ts_sent: int
    symbol: str | None = None
    leverage: int | None = None
    multi_assets: bool | None = None


class ListenKeyExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The user data stream has ended though its socket is open (``listenKeyExpired``). The key itself is not kept."""

    venue: str
    ts_sent: int


class StrategyUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy was started, stopped or changed (``STRATEGY_UPDATE``); ``code`` is the venue's reason."""

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    ts_update: int
    strategy_id: int
    strategy_type: str
    status: str
    code: int


class GridUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-order of a grid was filled (``GRID_UPDATE``).

    ``realized`` and ``matched_profit`` are in quote currency, ``unmatched_*`` tell of what has no counterpart yet.
    """

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    ts_update: int
    strategy_id: int
    strategy_type: str
    status: str
    realized: float
    unmatched_price: float
    unmatched_size: float
    unmatched_fee: float
    matched_profit: float


class TriggerReject(msgspec.Struct, frozen=True, kw_only=True):
    """A triggered order was refused (``CONDITIONAL_ORDER_TRIGGER_REJECT``, today told by `AlgoUpdate`)."""

    venue: str
    symbol: str
    ts_event: int
    ts_sent: int
    order_id: int
    reason: str


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """A bracket of notional, in quote currency, with its maintenance margin ratio and its range of leverage."""

    number: int
    floor: float
    cap: float
    maintenance_ratio: float
    cumulative: float
    min_leverage: float
    max_leverage: float


class ContractInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A contract was listed, settled or changed (``contractInfo``); brackets come only when they change.

    ``ts_delivery`` of a perpetual is the end of the year 2100.
    """

    venue: str
    symbol: str
    ts_sent: int
    pair: str | None = None
    contract_type: str
    ts_delivery: int
    ts_onboard: int
    status: str
    brackets: list[Bracket] | None = None


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a composite index: its weight as a quantity and as a fraction of the whole, and its own index price."""

    base: str
    quote: str
    weight: float
    share: float
    index: float


class CompositeIndex(msgspec.Struct, frozen=True, kw_only=True):
    """A composite index and what it is made of (``compositeIndex``)."""

    venue: str
    symbol: str
    ts_event: int
    price: float
    component: str
    components: list[Component]


class TradingSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session of a market behind TradFi perpetuals (``EquityUpdate``, ``FXUpdate``, ...), each second.

    ``market`` is the event's name less ``Update``: ``Equity``, ``Commodity``, ``KR_Equity``, ``HK_Equity``,
    ``CN_Equity`` or ``FX``. ``session`` is ``PRE_MARKET``, ``REGULAR``, ``AFTER_MARKET``, ``OVERNIGHT`` or
    ``NO_TRADING``.
    """

    venue: str
    market: str
    ts_sent: int
    ts_start: int
    ts_end: int
    session: str


Special = (
    AccountConfig
    | AccountUpdate
    | AlgoUpdate
    | CompositeIndex
    | ContractInfo
    | GridUpdate
    | ListenKeyExpired
    | MarginCall
    | OrderUpdate
    | StrategyUpdate
    | TradeLite
    | TradingSession
    | TriggerReject
)

_YEAR_2100 = 4_102_444_800 * 10**9

_Read = Callable[[Any], object]  # of what JSON has: whoever names a reader knows what it gets
# By field: the key, and what makes a value of what stands behind it.
_Fields = dict[str, tuple[str, _Read]]


def _as_is(value: object) -> object:
    return value


class _Number(str):
    """A JSON number as its text: some are too large for an int or a float, and those nobody asks for."""

    __slots__ = ()


def _integer(value: str) -> int:
    # Integral floats are integers, too.
    return int(value) if value.removeprefix("-").isdecimal() else int(Decimal(value))


def _millis(value: str) -> int:
    return _integer(value) * 1_000_000


def _time(value: str) -> int:
    # The core lets pass what lies between 2000 and 2100 in one unit, and these ranges do not overlap.
    time = _integer(value)
    return time * next(scale for scale in (10**9, 10**6, 10**3, 1) if time * scale < _YEAR_2100)


def _list(struct: Callable[..., object], fields: _Fields) -> _Read:
    return lambda rows: [struct(**_named(fields, row)) for row in rows]


def _named(fields: Mapping[str, tuple[str, _Read]], row: dict[str, Any]) -> dict[str, Any]:
    values = ((field, row.get(key), read_value) for field, (key, read_value) in fields.items())
    return {field: read_value(value) for field, value, read_value in values if value is not None}


class _Kind(NamedTuple):
    struct: Callable[..., Special]
    fields: _Fields
    # The key of the object inside, and the fields that stand in it.
    inner: str | None = None
    inner_fields: Mapping[str, tuple[str, _Read]] = MappingProxyType({})


_SENT: _Fields = {"ts_sent": ("E", _time)}
_TIMES: _Fields = {"ts_sent": ("E", _time), "ts_event": ("T", _time)}
_SYMBOL: _Fields = {"symbol": ("s", str)}
_BALANCE: _Fields = {
    "asset": ("a", str),
    "wallet": ("wb", float),
    "cross_wallet": ("cw", float),
    "change": ("bc", float),
}
_POSITION: _Fields = {
    **_SYMBOL,
    "amount": ("pa", float),
    "entry_price": ("ep", float),
    "break_even_price": ("bep", float),
    "realized": ("cr", float),
    "unrealized": ("up", float),
    "margin_type": ("mt", str),
    "isolated_wallet": ("iw", float),
    "side": ("ps", str),
    "margin_asset": ("ma", str),
}
_ORDER: _Fields = {
    **_SYMBOL,
    "ts_trade": ("T", _time),
    "client_id": ("c", str),
    "order_id": ("i", _integer),
    "side": ("S", str),
    "position_side": ("ps", str),
    "order_type": ("o", str),
    "original_type": ("ot", str),
    "time_in_force": ("f", str),
    "size": ("q", float),
    "price": ("p", float),
    "average_price": ("ap", float),
    "stop_price": ("sp", float),
    "execution": ("x", str),
    "status": ("X", str),
    "modify_id": ("M", _integer),
    "last_size": ("l", float),
    "last_price": ("L", float),
    "filled": ("z", float),
    "fee": ("n", float),
    "fee_asset": ("N", str),
    "trade_id": ("t", _integer),
    "maker": ("m", _as_is),
    "reduce_only": ("R", _as_is),
    "close_position": ("cp", _as_is),
    "bids_notional": ("b", float),
    "asks_notional": ("a", float),
    "working_type": ("wt", str),
    "activation_price": ("AP", float),
    "callback_rate": ("cr", float),
    "price_protect": ("pP", _as_is),
    "realized": ("rp", float),
    "self_trade_prevention": ("V", str),
    "price_match": ("pm", str),
    "good_till": ("gtd", _millis),
    "expiry_reason": ("er", str),
}
_LITE: _Fields = {
    **_TIMES,
    **_SYMBOL,
    "client_id": ("c", str),
    "order_id": ("i", _integer),
    "trade_id": ("t", _integer),
    "side": ("S", str),
    "size": ("q", float),
    "price": ("p", float),
    "last_size": ("l", float),
    "last_price": ("L", float),
    "maker": ("m", _as_is),
}
_ALGO: _Fields = {
    **_SYMBOL,
    "client_id": ("caid", str),
    "algo_id": ("aid", _integer),
    "algo_type": ("at", str),
    "order_type": ("o", str),
    "side": ("S", str),
    "position_side": ("ps", str),
    "time_in_force": ("f", str),
    "size": ("q", float),
    "status": ("X", str),
    "order_id": ("ai", lambda text: text or None),
    "average_price": ("ap", float),
    "executed": ("aq", float),
    "executed_type": ("act", str),
    "trigger_price": ("tp", float),
    "price": ("p", float),
    "self_trade_prevention": ("V", str),
    "working_type": ("wt", str),
    "price_match": ("pm", str),
    "close_position": ("cp", _as_is),
    "price_protect": ("pP", _as_is),
    "reduce_only": ("R", _as_is),
    "trigger_time": ("tt", _millis),
    "good_till": ("gtd", _millis),
    "reject_reason": ("rm", str),
    "activated": ("ia", _as_is),
}
_MARGIN: _Fields = {
    **_SYMBOL,
    "side": ("ps", str),
    "amount": ("pa", float),
    "margin_type": ("mt", str),
    "isolated_wallet": ("iw", float),
    "mark_price": ("mp", float),
    "unrealized": ("up", float),
    "maintenance": ("mm", float),
}
_CONFIG: _Fields = {
    **_TIMES,
    "symbol": ("ac", lambda changed: changed["s"]),
    "leverage": ("ac", lambda changed: _integer(changed["l"])),
    "multi_assets": ("ai", lambda changed: changed["j"]),
}
_STRATEGY: _Fields = {
    **_SYMBOL,
    "ts_update": ("ut", _time),
    "strategy_id": ("si", _integer),
    "strategy_type": ("st", str),
    "status": ("ss", str),
}
_GRID: _Fields = {
    **_STRATEGY,
    "realized": ("r", float),
    "unmatched_price": ("up", float),
    "unmatched_size": ("uq", float),
    "unmatched_fee": ("uf", float),
    "matched_profit": ("mp", float),
}
_BRACKET: _Fields = {
    "number": ("bs", _integer),
    "floor": ("bnf", float),
    "cap": ("bnc", float),
    "maintenance_ratio": ("mmr", float),
    "cumulative": ("cf", float),
    "min_leverage": ("mi", float),
    "max_leverage": ("ma", float),
}
_COMPONENT: _Fields = {
    "base": ("b", str),
    "quote": ("q", str),
    "weight": ("w", float),
    "share": ("W", float),
    "index": ("i", float),
}
_CONTRACT: _Fields = {
    **_SENT,
    **_SYMBOL,
    "pair": ("ps", str),
    "contract_type": ("ct", str),
    "ts_delivery": ("dt", _millis),
    "ts_onboard": ("ot", _millis),
    "status": ("cs", str),
    "brackets": ("bks", _list(Bracket, _BRACKET)),
}
_COMPOSITE: _Fields = {
    **_SYMBOL,
    "ts_event": ("E", _time),
    "price": ("p", float),
    "component": ("C", str),
    "components": ("c", _list(Component, _COMPONENT)),
}
_ACCOUNT: _Fields = {
    "reason": ("m", str),
    "balances": ("B", _list(Balance, _BALANCE)),
    "positions": ("P", _list(Position, _POSITION)),
    "symbol": ("S", str),
}
_CALL: _Fields = {**_SENT, "cross_wallet": ("cw", float), "positions": ("p", _list(MarginPosition, _MARGIN))}
_REJECT: _Fields = {**_SYMBOL, "order_id": ("i", _integer), "reason": ("r", str)}
_SESSION: _Fields = {
    **_SENT,
    "ts_start": ("t", _time),
    "ts_end": ("T", _time),
    "session": ("S", str),
}

_KINDS = {
    "ACCOUNT_UPDATE": _Kind(AccountUpdate, _TIMES, "a", _ACCOUNT),
    "ORDER_TRADE_UPDATE": _Kind(OrderUpdate, _TIMES, "o", _ORDER),
    "TRADE_LITE": _Kind(TradeLite, _LITE),
    "ALGO_UPDATE": _Kind(AlgoUpdate, _TIMES, "o", _ALGO),
    "MARGIN_CALL": _Kind(MarginCall, _CALL),
    "ACCOUNT_CONFIG_UPDATE": _Kind(AccountConfig, _CONFIG),
    "listenKeyExpired": _Kind(ListenKeyExpired, _SENT),
    "STRATEGY_UPDATE": _Kind(StrategyUpdate, _TIMES, "su", {**_STRATEGY, "code": ("c", _integer)}),
    "GRID_UPDATE": _Kind(GridUpdate, _TIMES, "gu", _GRID),
    "CONDITIONAL_ORDER_TRIGGER_REJECT": _Kind(TriggerReject, _TIMES, "or", _REJECT),
    "contractInfo": _Kind(ContractInfo, _CONTRACT),
    "compositeIndex": _Kind(CompositeIndex, _COMPOSITE),
}
_MARKETS = ("Equity", "Commodity", "KR_Equity", "HK_Equity", "CN_Equity", "FX")


def read(kind: str, data: bytes, venue: str) -> Special | None:
    """Return a notice as a typed value, or None where its kind has no type here.

    Parameters
    ----------
    kind
        What the event calls itself, such as ``ORDER_TRADE_UPDATE``.
    data
        Its JSON text, as the core handed it on after it had checked keys and types.
    venue
        Venue id such as ``binance.usdm``.
    """
    row = json.loads(data.decode(), parse_int=_Number, parse_float=_Number)
    market = kind.removesuffix("Update")
    if market in _MARKETS:
        return TradingSession(**_named(_SESSION, row), venue=venue, market=market)
    found = _KINDS.get(kind)
    if found is None:
        return None
    inner = {} if found.inner is None else _named(found.inner_fields, row[found.inner])
    return found.struct(**_named(found.fields, row), **inner, venue=venue)
