"""Tables read by other libraries through Arrow: the same values, nulls where undefined, copies that are released."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import ringtape as rt

OPEN_MS = 1_795_185_000_000  # 2026-11-20 09:30 in New York
FLOATS = ["last", "bid", "volume", "change", "vwap(1m)", "spread"]
FIELDS = [*FLOATS, "last_time"]


def event(kind: str, symbol: str, **keys: Any) -> dict[str, Any]:
    return {"ev": kind, "sym": symbol, "t": OPEN_MS, "q": 1, **keys}


def market() -> rt.Engine:
    """Return an engine with a symbol that traded, one with quotes only, one that nothing is known of, and a coin."""
    engine = rt.Engine(windows=("1m",))
    engine.set_reference({"AAPL": 188.0, "ÄÖ€": 1.0})
    engine.feed(
        json.dumps(
            [
                event("T", "AAPL", i="1", x=4, p=190.1, s=100, z=3),
                event("Q", "QUOT", bp=10.0, ap=10.1, bs=1, **{"as": 2}),
            ]
        ).encode(),
        "massive.stocks",
        OPEN_MS * 1_000_000,
    )
    trade = {"e": "aggTrade", "E": OPEN_MS, "s": "BTCUSDT", "a": 1, "p": "0.1", "q": "3", "f": 1, "l": 1}
    engine.feed(json.dumps({**trade, "T": OPEN_MS, "m": False}).encode(), "binance.usdm", OPEN_MS * 1_000_000)
    return engine


def many(count: int) -> rt.Engine:
    engine = rt.Engine(bars=("1s",), max_symbols=count)
    engine.set_reference({f"S{number}": 1.0 + number for number in range(count)})
    return engine


def bits(values: Any) -> list[int]:
    return np.asarray(values, np.float64).view(np.uint64).tolist()


def check(table: rt.Table, columns: dict[str, list[Any]]) -> None:
    """Compare columns of Python values, times in Unix ns, with those of the table: bit for bit, None for undefined."""
    assert list(columns) == table.names
    for name in ("symbol", "venue"):
        assert columns[name] == table[name].tolist()
    for name in table.names[2:]:
        own = table[name]
        undefined = own == np.iinfo(np.int64).min if own.dtype == np.int64 else np.isnan(own)
        assert [value is None for value in columns[name]] == undefined.tolist(), name
        defined = [value for value in columns[name] if value is not None]
        if own.dtype == np.int64:
            assert defined == own[~undefined].tolist()
        else:
            assert bits(defined) == bits(own[~undefined])


def test_the_fixture_holds_every_kind_of_value() -> None:
    table = market().table(FIELDS)
    assert table["symbol"].tolist() == ["AAPL", "ÄÖ€", "QUOT", "BTCUSDT"]
    assert set(table["venue"].tolist()) == {"massive.stocks", "binance.usdm"}
    assert [int(np.isnan(table[name]).sum()) > 0 for name in FLOATS] == [True] * 2 + [False] + [True] * 3


def test_pyarrow_reads_the_same() -> None:
    table = market().table(FIELDS)
    read = pa.table(table)
    assert read.schema == pa.schema(
        [
            pa.field("symbol", pa.utf8(), nullable=False),
            pa.field("venue", pa.dictionary(pa.int32(), pa.utf8()), nullable=False),
            *(pa.field(name, pa.float64()) for name in FLOATS),
            pa.field("last_time", pa.timestamp("ns", "UTC")),
        ]
    )
    read.validate(full=True)
    plain = read.set_column(len(FIELDS) + 1, "last_time", read["last_time"].cast(pa.int64()))
    check(table, plain.to_pydict())


def test_the_schema_alone_is_that_of_the_stream() -> None:
    table = market().table(FIELDS)
    schema = pa.schema(table)
    assert schema.equals(pa.table(table).schema, check_metadata=True)
    least, greatest = table.sequence
    assert schema.metadata == {
        b"sequence_least": str(least).encode(),
        b"sequence_greatest": str(greatest).encode(),
    }


def test_polars_reads_the_same() -> None:
    table = market().table(FIELDS)
    read = pl.DataFrame(table)
    assert read.schema["last_time"] == pl.Datetime("ns", "UTC")
    assert read["symbol"].dtype == pl.String
    plain = read.with_columns(pl.col("venue").cast(pl.String), pl.col("last_time").to_physical())
    check(table, plain.to_dict(as_series=False))
    # From version 2 on `from_arrow` makes one series of structs of whatever is not pyarrow's own.
    same = pl.from_arrow(table)
    assert read.equals(same.struct.unnest() if isinstance(same, pl.Series) else same)


def test_duckdb_reads_the_same() -> None:
    table = market().table(FIELDS)
    # By name, so that DuckDB and not the interface gives the columns; other versions keep times in other units.
    columns = ", ".join(f'"{name}"' for name in table.names)
    read = pa.table(duckdb.sql(f'select {columns} from "table" where symbol is not null'))  # noqa: S608
    times = read["last_time"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    check(table, read.set_column(len(FIELDS) + 1, "last_time", times).to_pydict())
    assert duckdb.sql('select count(*), sum(volume), count("last") from "table"').fetchall() == [(4, 103.0, 2)]


def test_an_empty_table_has_its_columns() -> None:
    table = rt.Engine(bars=("1s",)).table(FIELDS)
    assert len(table) == 0
    check(table, pa.table(table).to_pydict())
    assert pl.DataFrame(table).shape == (0, len(FIELDS) + 2)
    assert duckdb.sql('select count(*) from "table"').fetchall() == [(0,)]
    assert pa.table(rt.Engine(bars=("1s",)).table([])).column_names == ["symbol", "venue"]


def test_an_export_is_a_copy_that_outlives_its_engine() -> None:
    engine = market()
    read = pl.DataFrame(engine.table(["last"]))
    engine.feed(
        json.dumps([event("T", "AAPL", i="2", x=4, p=7.0, s=100, z=3)]).encode(),
        "massive.stocks",
        (OPEN_MS + 1) * 1_000_000,
    )
    del engine
    gc.collect()
    assert read["last"].to_list() == [190.1, None, None, 0.1]


def test_a_table_is_read_as_often_as_one_likes_and_a_capsule_once() -> None:
    table = market().table(FIELDS)
    assert pa.table(table).equals(pa.table(table))
    capsule = table.__arrow_c_stream__()
    first = pa.RecordBatchReader._import_from_c_capsule(capsule)
    assert first.read_all().num_rows == len(table)
    with pytest.raises(pa.ArrowInvalid, match="released"):
        pa.RecordBatchReader._import_from_c_capsule(capsule)


def test_a_requested_schema_is_no_reason_to_fail() -> None:
    table = market().table(["last"])
    wish = pa.schema([("symbol", pa.utf8()), ("venue", pa.utf8()), ("last", pa.float32())])
    reader = pa.RecordBatchReader._import_from_c_capsule(table.__arrow_c_stream__(wish.__arrow_c_schema__()))
    assert reader.schema == pa.schema(table)


def resident() -> int:
    """Return the memory of this process that is in use, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (kib,) = re.findall(r"^VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
    return int(kib) * 1024


def read_all(table: rt.Table) -> None:
    pa.table(table)
    pl.DataFrame(table)


def forget(table: rt.Table) -> None:
    table.__arrow_c_stream__()
    table.__arrow_c_schema__()


def half_read(table: rt.Table) -> None:
    pa.RecordBatchReader.from_stream(table)


@pytest.mark.parametrize("use", [read_all, forget, half_read])
def test_memory_is_released_whoever_ends_it(use: Any) -> None:
    table = many(2_000).table(["last", "prev_close", "last_time"])
    for _ in range(50):
        use(table)
    before = resident()
    for _ in range(500):  # 90 KB each: 45 MB if they stayed
        use(table)
    gc.collect()
    assert resident() - before < 8 << 20
