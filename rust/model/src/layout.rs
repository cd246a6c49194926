//! Layouts pinned: a change of a record's size or order is a change of every ring, recording and numpy dtype,
//! so it has to be made here too, on purpose.

use crate::event::{Bar, Mark, Quote, Signal, Trade, VenueBar};
use crate::plain::{AssetIndex, Band, Imbalance, Level, Liquidation, Ticker, Value};
use crate::row::{Row, WindowRow};

const _: () = {
    assert!(size_of::<Trade>() == 160 && align_of::<Trade>() == 8);
    assert!(size_of::<Quote>() == 136 && align_of::<Quote>() == 8);
    assert!(size_of::<Bar>() == 128 && align_of::<Bar>() == 8);
    assert!(size_of::<VenueBar>() == 200 && align_of::<VenueBar>() == 8);
    assert!(size_of::<Mark>() == 80 && align_of::<Mark>() == 8);
    assert!(size_of::<Signal>() == 72 && align_of::<Signal>() == 8);
    assert!(size_of::<Band>() == 72 && align_of::<Band>() == 8);
    assert!(size_of::<Imbalance>() == 72 && align_of::<Imbalance>() == 8);
    assert!(size_of::<Value>() == 48 && align_of::<Value>() == 8);
    assert!(size_of::<Ticker>() == 192 && align_of::<Ticker>() == 8);
    assert!(size_of::<Liquidation>() == 136 && align_of::<Liquidation>() == 8);
    assert!(size_of::<Level>() == 104 && align_of::<Level>() == 8);
    assert!(size_of::<AssetIndex>() == 104 && align_of::<AssetIndex>() == 8);
    assert!(size_of::<Row>() == 256 && align_of::<Row>() == 8);
    assert!(size_of::<WindowRow>() == 64 && align_of::<WindowRow>() == 8);
};

#[cfg(test)]
mod tests {
    use crate::event::{Bar, Column, Record, Signal};
    use crate::kind::Kind;

    /// numpy builds its dtypes from the columns, so they must cover the record without gap or overlap.
    fn tiles(name: &str, columns: &[Column], words: usize) {
        let mut end = 0;
        for column in columns {
            assert_eq!(column.offset, end, "{name}.{}", column.name);
            end += width(column) * column.count;
        }
        assert_eq!(end, words * 8, "{name}");
    }

    fn width(column: &Column) -> usize {
        let digits = column.dtype.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.parse().unwrap_or(0)
    }

    #[test]
    fn columns_tile_their_records() {
        for &kind in Kind::HOT.iter().chain(Kind::PLAIN) {
            tiles(kind.name(), kind.columns(), kind.words());
        }
        tiles(Bar::NAME, Bar::COLUMNS, Bar::WORDS);
        tiles(Signal::NAME, Signal::COLUMNS, Signal::WORDS);
    }
}
