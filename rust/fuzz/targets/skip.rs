//! Anything in the place of a value that nobody reads: sound as a whole or rejected, and its neighbours as without it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape_model::Venue;

fuzz_target!(|data: &[u8]| {
    let event = r#""ev":"T","sym":"AAPL","x":4,"p":297.845,"s":40,"t":1781622376036"#.as_bytes();
    let binance = r#""e":"trade","s":"BTCUSDT","t":7,"p":"64990.90","q":"0.5","T":1786150000000,"m":true"#.as_bytes();
    let list = [b"[{", event, b"},{", event, br#","zz":"#, data, b"},{", event, b"}]"].concat();
    let sound = serde_json::from_slice::<serde_json::Value>(data).is_ok();
    ringtape_fuzz::check(Venue::MassiveStocks, &list, |verdict, out| {
        // What is no value by itself may still close the event and open others.
        if sound && verdict.is_ok() {
            assert_eq!((out.trades.len(), out.skipped.len()), (3, 0));
        }
    });
    let envelope = [br#"{"stream":"x","zz":"#, data, br#","data":[{"#, binance, br#","zz":"#, data, b"}]}"].concat();
    ringtape_fuzz::check(Venue::BinanceUsdm, &envelope, |verdict, out| {
        if sound && verdict.is_ok() {
            assert_eq!((out.trades.len(), out.skipped.len()), (1, 0));
        }
    });
});
