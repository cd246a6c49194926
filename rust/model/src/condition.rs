//! What a trade may update, by its sale conditions.
//!
//! SOURCE: the vendor's conditions endpoint (stocks, trade, consolidated rules); `tests/python` compares this
//! table with the stored response, row by row. The right "vwap" and the two footnotes (`FirstOfDay`, `FormT`)
//! are ours: see docs/fields.md.

/// May move high and low.
pub const HIGH_LOW: u8 = 1;
/// May become the last price.
pub const LAST: u8 = 2;
/// Counts in volume.
pub const VOLUME: u8 = 4;
/// Counts in VWAP.
pub const VWAP: u8 = 8;
/// Last only as the first print of the day (SIP footnote for 4, P, Z).
pub const FIRST_OF_DAY: u8 = 16;
/// Form T: moves prices outside regular hours, as the vendor's own minute bars do.
pub const FORM_T: u8 = 32;
/// Sold out of sequence: a late print whatever its times say.
pub const OUT_OF_SEQUENCE: u8 = 64;
/// The condition is not in the table: all rights, and counted.
pub const UNKNOWN: u8 = 128;

/// The four rights.
pub const ALL: u8 = HIGH_LOW | LAST | VOLUME | VWAP;

/// Rights and marks of one condition, or of one trade after [`fold`]: a right needs every condition's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionRights(pub u8);

impl ConditionRights {
    /// True where every given right is held.
    #[inline]
    pub const fn has(self, rights: u8) -> bool {
        self.0 & rights == rights
    }

    /// The same without the given rights.
    #[inline]
    #[must_use]
    pub const fn without(self, rights: u8) -> Self {
        Self(self.0 & !rights)
    }
}

/// One byte for each condition id below 72; ids above are options' and crypto's, which carry no such rules.
static TABLE: [u8; 72] = table();

const fn table() -> [u8; 72] {
    const PRICE: u8 = HIGH_LOW | LAST;
    let mut table = [ALL | UNKNOWN; 72];
    // Regular sales, auctions and pure markers.
    let free: [usize; 24] = [0, 1, 3, 4, 6, 8, 9, 11, 14, 17, 18, 19, 23, 24, 25, 27, 28, 30, 31, 34, 35, 36, 41, 55];
    let mut i = 0;
    while i < free.len() {
        table[free[i]] = ALL;
        i += 1;
    }
    // Short-sale restriction and financial status: no rules, change nothing.
    let markers: [usize; 14] = [57, 58, 59, 60, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71];
    i = 0;
    while i < markers.len() {
        table[markers[i]] = ALL;
        i += 1;
    }
    // Price set elsewhere or at another time: volume only.
    let volume_only: [usize; 7] = [2, 7, 20, 21, 29, 52, 53];
    i = 0;
    while i < volume_only.len() {
        table[volume_only[i]] = VOLUME;
        i += 1;
    }
    table[37] = VOLUME | VWAP; // odd lot
    table[12] = VOLUME | VWAP | FORM_T;
    table[13] = VOLUME | OUT_OF_SEQUENCE;
    table[32] = HIGH_LOW | VOLUME | VWAP | FIRST_OF_DAY | OUT_OF_SEQUENCE;
    table[33] = HIGH_LOW | VOLUME | VWAP | FIRST_OF_DAY | OUT_OF_SEQUENCE;
    table[5] = HIGH_LOW | VOLUME | VWAP | FIRST_OF_DAY;
    table[10] = HIGH_LOW | VOLUME | FIRST_OF_DAY;
    table[22] = HIGH_LOW | VOLUME | FIRST_OF_DAY;
    table[15] = 0; // official close and open repeat an auction print
    table[16] = 0;
    table[38] = PRICE; // corrected consolidated close
    table
}

/// Rights of one condition id of a US stock trade.
#[inline]
pub fn rights_of(condition: u16) -> ConditionRights {
    ConditionRights(TABLE.get(usize::from(condition)).copied().unwrap_or(ALL | UNKNOWN))
}

/// Folds the conditions of a US stock trade: rights by "and", marks by "or". `regular` tells whether the trade
/// falls into the regular session, `first_of_day` whether no trade of the date counted before it: they lift
/// the "no" of the conditions that say so, and only of those.
#[inline]
pub fn fold(conditions: &[u16], regular: bool, first_of_day: bool) -> ConditionRights {
    let mut rights = ALL;
    let mut marks = 0;
    for &condition in conditions {
        let mut one = rights_of(condition).0;
        marks |= one & (OUT_OF_SEQUENCE | UNKNOWN);
        if one & FORM_T != 0 && !regular {
            one |= HIGH_LOW | LAST;
        }
        if one & FIRST_OF_DAY != 0 && first_of_day {
            one |= LAST;
        }
        rights &= one;
    }
    ConditionRights(rights | marks)
}

/// Opening prints: regular-session open of their listing market.
#[inline]
pub fn is_opening(condition: u16) -> bool {
    matches!(condition, 17 | 25)
}

/// The official close (15) repeats the closing auction's price.
#[inline]
pub fn is_official_close(condition: u16) -> bool {
    condition == 15
}

/// Auctions, and prices that were agreed on otherwise: nobody took a side at this price at this time.
#[inline]
pub fn is_without_side(condition: u16) -> bool {
    matches!(condition, 8 | 19 | 17 | 25 | 18 | 28 | 2 | 52 | 53)
}

/// Re-opening prints after a halt.
#[inline]
pub fn is_reopening(condition: u16) -> bool {
    matches!(condition, 18 | 28)
}

/// Markers of the short-sale restriction.
#[inline]
pub fn is_restriction(condition: u16) -> bool {
    matches!(condition, 57..=60)
}

/// The restriction is over.
#[inline]
pub fn ends_restriction(condition: u16) -> bool {
    condition == 59
}

/// An odd lot says so itself: round lots have had several sizes since 2025.
#[inline]
pub fn is_odd_lot(condition: u16) -> bool {
    condition == 37
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_no_wins() {
        assert!(fold(&[], true, false).has(ALL));
        assert!(fold(&[14, 41], true, false).has(ALL));
        assert!(!fold(&[14, 37], true, false).has(LAST));
        assert!(fold(&[14, 37], true, false).has(VOLUME | VWAP));
        assert_eq!(fold(&[15], true, true).0 & ALL, 0);
    }

    #[test]
    fn footnotes_lift_only_their_own_no() {
        assert!(fold(&[12], false, false).has(ALL));
        assert!(!fold(&[12], true, false).has(LAST));
        assert!(!fold(&[12, 37], false, false).has(LAST));
        assert!(fold(&[10], true, true).has(LAST) && !fold(&[10], true, false).has(LAST));
        assert!(!fold(&[12, 10], false, false).has(LAST));
        assert!(fold(&[32], true, false).has(OUT_OF_SEQUENCE | HIGH_LOW));
        assert!(fold(&[99], true, false).has(ALL | UNKNOWN));
    }
}
