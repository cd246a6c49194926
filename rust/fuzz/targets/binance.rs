//! A frame of any Binance market; the first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape_model::Venue;

fuzz_target!(|data: &[u8]| {
    let Some((&market, frame)) = data.split_first() else { return };
    let venue = Venue::ALL.into_iter().filter(|venue| !venue.is_massive()).nth(usize::from(market & 3));
    ringtape_fuzz::check(venue.unwrap_or(Venue::BinanceUsdm), frame, |_, _| {});
});
