"""Binance's rare events: user data, contracts, composite indices, sessions.

SOURCE: the fact sheet, sections 3.10 and 4.2. A line of a table is: key, column of the class in ``ringtape.notices``,
what must stand behind the key; ``?`` marks keys that may be missing. A column of ``-`` is checked and not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.fields import Fields

__all__ = ["NOTICES"]

Row = tuple[str, str, str, bool]


def table(text: str) -> list[Row]:
    """Return the lines of a table: key, column, form, whether it must be there."""
    rows = []
    for line in text.strip().splitlines():
        for entry in line.split(","):
            key, column, form = entry.split()
            rows.append((key, column, form.removesuffix("?"), not form.endswith("?")))
    return rows


SENT = "E ts_sent time"
TIMES = "E ts_sent time, T ts_event time"
TIMES_ROWS = table(TIMES)
MARGIN_CALL = table(f"{SENT}, cw cross_wallet decimal?")
LEVERAGE = table("s symbol symbol, l leverage integer")
ASSETS = table("j multi_assets flag")
EXPIRED = table(f"{SENT}, listenKey - text")
BALANCE = table("a asset text, wb wallet decimal, cw cross_wallet decimal, bc change decimal")
POSITION = table("""
s symbol symbol, pa amount decimal, ep entry_price decimal, bep break_even_price decimal?, cr realized decimal
up unrealized decimal, mt margin_type text, iw isolated_wallet decimal, ps side text, ma margin_asset text?
""")
ACCOUNT = table("m reason text, S symbol text?")
ORDER = table("""
s symbol symbol, c client_id text, S side text, o order_type text, f time_in_force text, q size decimal
p price decimal, ap average_price decimal, sp stop_price decimal?, x execution text, X status text, i order_id integer
M modify_id integer?, l last_size decimal, z filled decimal, L last_price decimal, n fee decimal?, N fee_asset text?
T ts_trade time, t trade_id integer, b bids_notional decimal?, a asks_notional decimal?, m maker flag
R reduce_only flag, wt working_type text?, ot original_type text?, ps position_side text, cp close_position flag?
AP activation_price decimal?, cr callback_rate decimal?, pP price_protect flag?, rp realized decimal?
V self_trade_prevention text?, pm price_match text?, gtd good_till millis?, er expiry_reason text?
""")
LITE = table(f"""
{TIMES}
s symbol symbol, q size decimal, p price decimal, m maker flag, c client_id text, S side text, L last_price decimal
l last_size decimal, t trade_id integer, i order_id integer
""")
ALGO = table("""
caid client_id text, aid algo_id integer, at algo_type text, o order_type text, s symbol symbol, S side text
ps position_side text, f time_in_force text, q size decimal, X status text, ai order_id word?, ap average_price decimal?
aq executed decimal?, act executed_type text?, tp trigger_price decimal, p price decimal, V self_trade_prevention text?
wt working_type text?, pm price_match text?, cp close_position flag?, pP price_protect flag?, R reduce_only flag?
tt trigger_time millis?, gtd good_till millis?, rm reject_reason text?, ia activated flag?
""")
MARGIN = table("""
s symbol symbol, ps side text, pa amount decimal, mt margin_type text, iw isolated_wallet decimal, mp mark_price decimal
up unrealized decimal, mm maintenance decimal
""")
STRATEGY = table("""
si strategy_id integer, st strategy_type text, ss status text, s symbol symbol, ut ts_update time, c code integer
""")
GRID = table("""
si strategy_id integer, st strategy_type text, ss status text, s symbol symbol, r realized decimal
up unmatched_price decimal, uq unmatched_size decimal, uf unmatched_fee decimal, mp matched_profit decimal
ut ts_update time
""")
REFUSED = table("s symbol symbol, i order_id integer, r reason text")
CONTRACT = table(f"""
{SENT}
s symbol symbol, ps pair text?, ct contract_type text, dt ts_delivery millis, ot ts_onboard millis, cs status text
""")
BRACKET = table("""
bs number integer, bnf floor number, bnc cap number, mmr maintenance_ratio number, cf cumulative number
mi min_leverage number, ma max_leverage number
""")
COMPOSITE = table("E ts_event time, s symbol symbol, p price decimal, C component text")
COMPONENT = table("b base text, q quote text, w weight decimal, W share decimal, i index decimal")
SESSION = table(f"{SENT}, t ts_start time, T ts_end time, S session text")


def read(fields: Fields, rows: list[Row]) -> dict[str, Any]:
    """Return the columns of a table."""
    columns = {}
    for key, column, form, is_needed in rows:
        if is_needed and fields.get(key) is None:
            fields.missing(key)
        columns[column] = value(fields, key, form)
    columns.pop("-", None)
    return columns


def value(fields: Fields, key: str, form: str) -> Any:
    """Return what stands behind a key."""
    if fields.get(key) is None:
        return None
    if form in {"decimal", "number"}:
        return fields.float(key, "text" if form == "decimal" else "number")
    if form == "millis":
        number = fields.integer(key)
        return None if number is None else number * 10**6
    if form == "word":
        return fields.of(key, "text") or None
    readers: dict[str, Callable[[str], Any]] = {
        "symbol": fields.symbol,
        "integer": fields.integer,
        "time": fields.time,
        "flag": fields.flag,
    }
    return readers[form](key) if form in readers else fields.of(key, form)


def inside(fields: Fields, key: str, rows: list[Row], *, needed: bool = True) -> dict[str, Any] | None:
    """Return the columns of an object behind a key; what is wrong inside is told of the keys inside."""
    found = fields.get(key)
    if found is None:
        if needed:
            fields.missing(key)
        return None
    if fields.of(key, "object") is None:
        return None
    inner = Fields(fields.frame, found, fields.venue)
    columns = read(inner, rows)
    fields.faults |= inner.faults
    fields.unsure |= inner.unsure
    return columns


def rows_of(fields: Fields, key: str, rows: list[Row], *, needed: bool = False) -> list[dict[str, Any]] | None:
    """Return a list of objects behind a key."""
    if fields.get(key) is None:
        if needed:
            fields.missing(key)
        return None
    found = []
    for item in fields.of(key, "array") or ():
        if item.kind != "object":
            fields.fault("wrong_type", key)
            continue
        inner = Fields(fields.frame, item, fields.venue)
        found.append(read(inner, rows))
        fields.faults |= inner.faults
        fields.unsure |= inner.unsure
    return found


def account(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``ACCOUNT_UPDATE``: its lists of balances and positions may both be missing."""
    columns = read(fields, TIMES_ROWS)
    inner = inside(fields, "a", ACCOUNT) or {}
    lists: dict[str, Any] = {"balances": [], "positions": []}
    if inner:
        nested = Fields(fields.frame, fields.value.says["a"], fields.venue)
        lists["balances"] = rows_of(nested, "B", BALANCE) or []
        lists["positions"] = rows_of(nested, "P", POSITION) or []
        fields.faults |= nested.faults
        fields.unsure |= nested.unsure
    return "AccountUpdate", {**columns, **inner, **lists}


def with_object(name: str, key: str, rows: list[Row]) -> Callable[[Fields], tuple[str, dict[str, Any]]]:
    """Make the reader of an event whose columns stand in an object inside."""

    def event(fields: Fields) -> tuple[str, dict[str, Any]]:
        return name, {**read(fields, TIMES_ROWS), **(inside(fields, key, rows) or {})}

    return event


def margin_call(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``MARGIN_CALL``."""
    columns = read(fields, MARGIN_CALL)
    return "MarginCall", {**columns, "positions": rows_of(fields, "p", MARGIN, needed=True)}


def config(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``ACCOUNT_CONFIG_UPDATE``: a leverage, or whether there are multiple assets."""
    if fields.get("ac") is None and fields.get("ai") is None:
        fields.missing("ac")
    leverage = inside(fields, "ac", LEVERAGE, needed=False)
    assets = inside(fields, "ai", ASSETS, needed=False)
    empty = {"symbol": None, "leverage": None, "multi_assets": None}
    return "AccountConfig", {**empty, **read(fields, TIMES_ROWS), **(leverage or {}), **(assets or {})}


def contract(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``contractInfo``: brackets come only when they change."""
    return "ContractInfo", {**read(fields, CONTRACT), "brackets": rows_of(fields, "bks", BRACKET)}


def composite(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``compositeIndex``."""
    return "CompositeIndex", {**read(fields, COMPOSITE), "components": rows_of(fields, "c", COMPONENT, needed=True)}


def session(market: str) -> Callable[[Fields], tuple[str, dict[str, Any]]]:
    """Make the reader of a market's trading session."""
    return lambda fields: ("TradingSession", {**read(fields, SESSION), "market": market})


NOTICES: dict[str, Callable[[Fields], tuple[str, dict[str, Any]]]] = {
    "ACCOUNT_UPDATE": account,
    "ORDER_TRADE_UPDATE": with_object("OrderUpdate", "o", ORDER),
    "TRADE_LITE": lambda fields: ("TradeLite", read(fields, LITE)),
    "ALGO_UPDATE": with_object("AlgoUpdate", "o", ALGO),
    "MARGIN_CALL": margin_call,
    "ACCOUNT_CONFIG_UPDATE": config,
    "listenKeyExpired": lambda fields: ("ListenKeyExpired", read(fields, EXPIRED)),
    "STRATEGY_UPDATE": with_object("StrategyUpdate", "su", STRATEGY),
    "GRID_UPDATE": with_object("GridUpdate", "gu", GRID),
    "CONDITIONAL_ORDER_TRIGGER_REJECT": with_object("TriggerReject", "or", REFUSED),
    "contractInfo": contract,
    "compositeIndex": composite,
    **{f"{market}Update": session(market) for market in "Equity Commodity KR_Equity HK_Equity CN_Equity FX".split()},
}
