//! Symbol names: the same list for every seed, so that rule files and subscriptions stay valid between runs, and
//! a smaller market has the first names of a larger one.

use std::collections::BTreeSet;

use crate::random::Random;

/// The most active US tickers lead, roughly in order; one has a dot.
const STOCKS: &str = "SPY NVDA TSLA QQQ AAPL AMZN AMD META MSFT GOOGL PLTR INTC IWM SOXL AVGO TQQQ GOOG MSTR SMCI MU \
BAC SOFI NFLX F COIN MARA HOOD RIVN T PFE XLF WBD GME BRK.B UBER C ORCL JPM KO CSCO WMT DIS V XOM BA CRM BABA NIO \
LCID GLD SLV TLT HYG EEM FXI VXX UVXY ARM IONQ RGTI";

/// The most active perpetual futures, with a price near which each starts.
const PAIRS: [(&str, f64); 20] = [
    ("BTC", 97_123.4),
    ("ETH", 3_412.55),
    ("SOL", 187.2),
    ("XRP", 2.41),
    ("DOGE", 0.187),
    ("BNB", 887.1),
    ("ADA", 0.563),
    ("SUI", 2.05),
    ("AVAX", 17.4),
    ("LINK", 15.9),
    ("1000PEPE", 0.006_1),
    ("LTC", 101.3),
    ("TRX", 0.294),
    ("DOT", 2.87),
    ("NEAR", 2.61),
    ("APT", 3.22),
    ("ARB", 0.257),
    ("OP", 0.392),
    ("WIF", 0.44),
    ("TON", 1.93),
];

const NAME_SEED: u64 = 0x7469_636b;

/// `count` tickers; two in a hundred of the made-up ones carry a class suffix after a dot.
pub(crate) fn tickers(count: usize) -> Vec<String> {
    let mut random = Random::new(NAME_SEED);
    grow(STOCKS.split(' ').map(str::to_owned), count, || {
        let length = random.pick(&[2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5]);
        let mut name = letters(&mut random, length);
        if random.chance(2) {
            name.truncate(4);
            name.push('.');
            name.push(char::from(random.pick(b"ABUWR")));
        }
        name
    })
}

/// `count` perpetual futures against USDT.
pub(crate) fn pairs(count: usize) -> Vec<String> {
    let mut random = Random::new(NAME_SEED);
    grow(PAIRS.iter().map(|(coin, _)| format!("{coin}USDT")), count, || {
        let length = random.between(3, 6);
        letters(&mut random, length) + "USDT"
    })
}

/// Price near which a pair starts, if it is one of the known ones.
pub(crate) fn known_price(rank: usize) -> Option<f64> {
    PAIRS.get(rank).map(|(_, price)| *price)
}

fn letters(random: &mut Random, length: u32) -> String {
    (0..length).map(|_| char::from(b'A' + random.below(26) as u8)).collect()
}

fn grow(known: impl Iterator<Item = String>, count: usize, mut make: impl FnMut() -> String) -> Vec<String> {
    let mut names: Vec<String> = known.take(count).collect();
    let mut seen: BTreeSet<String> = names.iter().cloned().collect();
    while names.len() < count {
        let name = make();
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_some_have_dots() {
        let names = tickers(12_000);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 12_000);
        assert!(names.iter().all(|name| (1..=6).contains(&name.len())));
        assert!(names.iter().filter(|name| name.contains('.')).count() > 100);
        assert_eq!(names[..500], tickers(500));
        assert_eq!(pairs(1).as_slice(), ["BTCUSDT"]);
        assert_eq!(pairs(600).len(), 600);
    }
}
