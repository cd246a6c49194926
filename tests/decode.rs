//! Bytes to events through the façade: sample frames, the JSON test suite, rejection and skipping.

use std::path::{Path, PathBuf};

use ringtape::model::Venue;
use ringtape::model::plain::LEVEL_FIRST;
use ringtape::model::units::{E8_UNSET, ID_UNSET};
use ringtape::wire::{self, Control, ErrorKind, SkipReason, Staging};

/// The folder of facts and captures beside the project; tests that need it say so when it is missing.
fn shared(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path)
}

fn lines(path: &str) -> Vec<String> {
    let path = shared(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

fn decode(venue: Venue, frame: &[u8]) -> Staging {
    let mut out = Staging::default();
    if let Err(error) = wire::decode(venue, frame, &mut out) {
        panic!("{error}: {}", String::from_utf8_lossy(frame));
    }
    out
}

/// Every element of a frame is decoded, control, or skipped by a reason that names it as known.
fn accounted(venue: Venue, frame: &str) -> (usize, usize) {
    let out = decode(venue, frame.as_bytes());
    for skip in &out.skipped {
        assert_eq!(skip.reason, SkipReason::UnsupportedKind, "{} {}: {frame}", skip.kind(), skip.key);
    }
    assert!(out.entries.len() + out.control.len() + out.skipped.len() > 0, "{frame}");
    (out.entries.len() + out.control.len(), out.skipped.len())
}

#[test]
fn massive_samples_decode_or_are_named() {
    let mut decoded = 0;
    let mut named = 0;
    for (number, frame) in lines("facts/massive_samples.jsonl").iter().enumerate() {
        // SOURCE: the index of the fact sheet, section 9, tells which lines are of which market.
        let venue = match number + 1 {
            31..=37 => Venue::MassiveOptions,
            38..=40 => Venue::MassiveIndices,
            41..=49 => Venue::MassiveCrypto,
            50..=56 => Venue::MassiveForex,
            57..=60 => Venue::MassiveFutures,
            _ => Venue::MassiveStocks,
        };
        let (got, skipped) = accounted(venue, frame);
        decoded += got;
        named += skipped;
    }
    assert_eq!((decoded, named), (68, 0));
}

#[test]
fn binance_samples_decode() {
    let mut decoded = 0;
    let mut named = 0;
    for (number, frame) in lines("facts/binance_samples.jsonl").iter().enumerate() {
        // SOURCE: the index of the fact sheet, section 10, tells which lines are of which market.
        let venue = match number + 1 {
            26 | 56..=58 => Venue::BinanceCoinm,
            59..=61 | 64 | 65 => Venue::BinanceSpot,
            _ => Venue::BinanceUsdm,
        };
        let out = decode(venue, frame.as_bytes());
        for skip in &out.skipped {
            // A book without a symbol; invented times of the documentation, 1973; COIN-M on the stream of all.
            let known = match skip.reason {
                SkipReason::MissingKey => frame.starts_with("{\"lastUpdateId\""),
                SkipReason::OutOfRange => frame.contains("\"E\":123456789,"),
                reason => reason == SkipReason::OtherMarket,
            };
            assert!(known, "{:?} {} {}: {frame}", skip.reason, skip.kind(), skip.key);
        }
        let (levels, messages) = out.plain.levels.iter().fold((0, 0), |(levels, messages), level| {
            (levels + 1, messages + usize::from(level.flags & LEVEL_FIRST != 0))
        });
        decoded += out.entries.len() - levels + messages + out.control.len();
        named += out.skipped.len();
    }
    assert_eq!((decoded, named), (68, 5));
}

#[test]
fn json_test_suite_verdicts() {
    let mut counts = [0; 2];
    let folder = shared("data/jsontestsuite/test_parsing");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let frame = std::fs::read(entry.path()).unwrap_or_default();
        for venue in [Venue::MassiveStocks, Venue::BinanceUsdm] {
            let verdict = wire::decode(venue, &frame, &mut Staging::default());
            match name.as_bytes().first() {
                Some(b'y') => {
                    assert_eq!(verdict, Ok(()), "{name}");
                    counts[0] += 1;
                }
                Some(b'n') => {
                    assert!(verdict.is_err(), "{name}");
                    counts[1] += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!(counts, [2 * 95, 2 * 188]);
}

#[test]
fn a_cut_frame_is_rejected_at_every_byte() {
    let frame = br#"[{"ev":"T","sym":"AAPL","i":"1","x":4,"p":297.845,"s":40,"c":[14,41],"t":1781622376036,"q":49,"z":3,"ds":"40.0"}]"#;
    let mut out = Staging::default();
    for cut in 0..frame.len() {
        let error = wire::decode(Venue::MassiveStocks, &frame[..cut], &mut out).expect_err("cut frames are not JSON");
        assert_eq!(error.kind, ErrorKind::UnexpectedEnd, "cut at {cut}: {error}");
        assert!(out.trades.is_empty() && out.skipped.is_empty());
    }
    assert_eq!(decode(Venue::MassiveStocks, frame).trades.len(), 1);
}

#[test]
fn a_bad_event_is_skipped_alone() {
    let good = r#"{"ev":"T","sym":"A","p":1.5,"s":1,"t":1781622376036}"#;
    let cases: &[(&str, SkipReason, &str)] = &[
        (r#"{"ev":"T","sym":"A","p":"1.5","s":1,"t":1781622376036}"#, SkipReason::WrongType, "p"),
        (r#"{"ev":"T","sym":"A","p":1e300,"s":1,"t":1781622376036}"#, SkipReason::OutOfRange, "p"),
        (r#"{"ev":"T","sym":"A","p":0,"s":1,"t":1781622376036}"#, SkipReason::OutOfRange, "p"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":-1,"t":1781622376036}"#, SkipReason::OutOfRange, "s"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":1,"t":5}"#, SkipReason::OutOfRange, "t"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":1}"#, SkipReason::MissingKey, "t"),
        (r#"{"ev":"T","sym":"","p":1.5,"s":1,"t":1781622376036}"#, SkipReason::BadSymbol, "sym"),
        (r#"{"ev":"T","sym":"../x","p":1.5,"s":1,"t":1781622376036}"#, SkipReason::BadSymbol, "sym"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":1,"ds":"NaN","t":1781622376036}"#, SkipReason::WrongType, "ds"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":1,"ds":"1_0","t":1781622376036}"#, SkipReason::WrongType, "ds"),
        (r#"{"ev":"T","sym":"A","p":1.5,"s":1,"c":[1,"x"],"t":1781622376036}"#, SkipReason::WrongType, "c"),
        (r#"{"ev":"ZZ"}"#, SkipReason::UnknownKind, ""),
        (r#"{"ev":7}"#, SkipReason::WrongType, "ev"),
        (r#"{"sym":"A"}"#, SkipReason::MissingKey, "ev"),
        ("12", SkipReason::NotAnEvent, ""),
    ];
    for (bad, reason, key) in cases {
        let frame = format!("[{good},{bad},{good}]");
        let out = decode(Venue::MassiveStocks, frame.as_bytes());
        assert_eq!(out.trades.len(), 2, "{bad}");
        let skips: Vec<_> = out.skipped.iter().map(|skip| (skip.reason, skip.key)).collect();
        assert_eq!(skips, [(*reason, *key)], "{bad}");
    }
}

/// What an event of each kind cannot do without, and what it does not believe.
#[test]
fn events_of_other_kinds_and_markets_are_as_strict() {
    use SkipReason::{BadSymbol, MissingKey, OutOfRange, UnknownKind, UnsupportedKind, WrongType};
    use Venue::{MassiveCrypto, MassiveForex, MassiveFutures, MassiveIndices, MassiveOptions, MassiveStocks};
    let cases: &[(Venue, &str, SkipReason, &str)] = &[
        (MassiveStocks, r#"{"ev":"LULD","sym":"A","h":2,"l":1,"t":1781622376036}"#, MissingKey, "T"),
        (MassiveStocks, r#"{"ev":"LULD","T":"A","h":1,"l":2,"t":1781622376036}"#, OutOfRange, "h"),
        (MassiveStocks, r#"{"ev":"LULD","T":"A","h":2,"t":1781622376036}"#, MissingKey, "l"),
        (MassiveStocks, r#"{"ev":"LULD","T":"A","h":2,"l":-1,"t":1781622376036}"#, OutOfRange, "l"),
        (MassiveStocks, r#"{"ev":"LULD","T":"A","h":2,"l":1,"i":[1,2,3,4,5],"t":1781622376036}"#, OutOfRange, "i"),
        (MassiveStocks, r#"{"ev":"LULD","T":"A","h":2,"l":1,"t":946684799999}"#, OutOfRange, "t"),
        (MassiveStocks, r#"{"ev":"NOI","T":"A","t":1601318039223013600,"at":2460,"o":1}"#, OutOfRange, "at"),
        (MassiveStocks, r#"{"ev":"NOI","T":"A","t":1601318039223013600,"at":960,"o":1}"#, OutOfRange, "at"),
        (MassiveStocks, r#"{"ev":"NOI","T":"A","t":1601318039223013600,"a":"MO","o":1}"#, OutOfRange, "a"),
        (MassiveStocks, r#"{"ev":"NOI","T":"A","t":1601318039223013600,"a":7,"o":1}"#, WrongType, "a"),
        (MassiveStocks, r#"{"ev":"NOI","T":"A","t":1601318039223013600}"#, MissingKey, "o"),
        (MassiveStocks, r#"{"ev":"FMV","sym":"A","val":1,"t":1781622376036}"#, MissingKey, "fmv"),
        (MassiveStocks, r#"{"ev":"FMV","sym":"A","fmv":"1","t":1781622376036}"#, WrongType, "fmv"),
        (MassiveStocks, r#"{"ev":"FMV","sym":"A","fmv":1e300,"t":1781622376036}"#, OutOfRange, "fmv"),
        (MassiveOptions, r#"{"ev":"LV","sym":"","val":1,"t":1781622376036}"#, BadSymbol, "sym"),
        (MassiveOptions, r#"{"ev":"LULD","T":"A","h":2,"l":1,"t":1781622376036}"#, UnsupportedKind, ""),
        (MassiveIndices, r#"{"ev":"V","T":"I:SPX","val":true,"t":1781622376036}"#, WrongType, "val"),
        (MassiveIndices, r#"{"ev":"V","T":"I:SPX","val":1}"#, MissingKey, "t"),
        (MassiveIndices, r#"{"ev":"T","sym":"I:SPX","p":1,"s":1,"t":1781622376036}"#, UnsupportedKind, ""),
        (MassiveIndices, r#"{"ev":"AM","sym":"I:SPX","o":1,"h":1,"l":1,"s":1781622376036}"#, MissingKey, "c"),
        (
            MassiveIndices,
            r#"{"ev":"AM","sym":"I:SPX","o":1,"h":1,"l":1,"c":1,"s":1781622376036,"e":1781622376035}"#,
            OutOfRange,
            "e",
        ),
        (MassiveCrypto, r#"{"ev":"XT","pair":"BTC-USD","p":1,"t":1610462007425}"#, MissingKey, "s"),
        (MassiveCrypto, r#"{"ev":"XT","pair":"BTC-USD","p":0,"s":1,"t":1610462007425}"#, OutOfRange, "p"),
        (MassiveCrypto, r#"{"ev":"XT","pair":"BTC-USD","p":1,"s":1,"i":1.5,"t":1610462007425}"#, WrongType, "i"),
        (MassiveCrypto, r#"{"ev":"XT","sym":"BTC-USD","p":1,"s":1,"t":1610462007425}"#, MissingKey, "pair"),
        (MassiveCrypto, r#"{"ev":"XQ","pair":"BTC-USD","bp":-1,"t":1610462007425}"#, OutOfRange, "bp"),
        (MassiveCrypto, r#"{"ev":"XA","pair":"A-B","o":1,"h":1,"l":1,"c":1,"s":1610463240000}"#, MissingKey, "v"),
        (MassiveCrypto, r#"{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[[1]],"a":[]}"#, WrongType, "b"),
        (MassiveCrypto, r#"{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[],"a":[[1,2,3]]}"#, WrongType, "a"),
        (MassiveCrypto, r#"{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[],"a":[7]}"#, WrongType, "a"),
        (MassiveCrypto, r#"{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[[-1,1]],"a":[]}"#, OutOfRange, "b"),
        (MassiveCrypto, r#"{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[]}"#, MissingKey, "a"),
        (MassiveCrypto, r#"{"ev":"XS","pair":"A-B"}"#, UnsupportedKind, ""),
        (MassiveCrypto, r#"{"ev":"XZ","pair":"A-B"}"#, UnknownKind, ""),
        (MassiveForex, r#"{"ev":"C","p":1.5,"a":1,"b":1,"t":1536036818784}"#, WrongType, "p"),
        (MassiveForex, r#"{"ev":"C","p":"USD/CNH","x":"4x","a":1,"b":1,"t":1536036818784}"#, WrongType, "x"),
        (MassiveForex, r#"{"ev":"C","p":"USD/CNH","x":"65535","a":1,"b":1,"t":1536036818784}"#, OutOfRange, "x"),
        (MassiveForex, r#"{"ev":"C","p":"USD/CNH","a":1,"b":1}"#, MissingKey, "t"),
        (MassiveForex, r#"{"ev":"CA","pair":"A/B","o":1,"h":1,"l":2,"c":1,"s":1539145740000}"#, OutOfRange, "h"),
        (MassiveFutures, r#"{"ev":"T","sym":"ESZ4","p":1,"t":1734103628363}"#, MissingKey, "s"),
        (MassiveFutures, r#"{"ev":"Q","sym":"ESZ4","bp":1,"bt":5,"t":1734103628363}"#, OutOfRange, "bt"),
        (
            MassiveFutures,
            r#"{"ev":"AM","sym":"ESZ4","v":1,"dv":"2","o":1,"h":1,"l":1,"c":1,"s":1734717060000}"#,
            WrongType,
            "dv",
        ),
        (MassiveFutures, r#"{"ev":"AM","sym":"ESZ4","o":1,"h":1,"l":1,"c":1,"s":1734717060000}"#, MissingKey, "v"),
    ];
    for (venue, bad, reason, key) in cases {
        let status = r#"{"ev":"status","status":"success","message":"subscribed"}"#;
        let out = decode(*venue, format!("[{status},{bad},{status}]").as_bytes());
        assert_eq!((out.control.len(), out.entries.len()), (2, 0), "{bad}");
        let skips: Vec<_> = out.skipped.iter().map(|skip| (skip.reason, skip.key)).collect();
        assert_eq!(skips, [(*reason, *key)], "{bad}");
    }
}

#[test]
fn what_is_odd_and_sound_is_read() {
    let one = |venue, frame: &str| {
        let out = decode(venue, frame.as_bytes());
        assert!(out.skipped.is_empty(), "{:?} {frame}", out.skipped);
        out
    };
    // Oil fell below zero; a book may be empty on both sides; a halt has no bands; integral floats are integers.
    let out = one(Venue::MassiveFutures, r#"[{"ev":"T","sym":"CLK0","p":-37.63,"s":1,"t":1587409200000}]"#);
    assert_eq!(out.trades[0].price_e8, -3_763_000_000);
    let out = one(Venue::MassiveCrypto, r#"[{"ev":"XL2","pair":"A-B","t":1610462411115,"b":[],"a":[]}]"#);
    let level = out.plain.levels[0];
    assert!(level.price.is_nan() && level.flags == 3 && level.side == 0 && out.entries.len() == 1);
    let out = one(
        Venue::MassiveStocks,
        r#"[{"ev":"LULD","T":"A","h":0,"l":0.0,"i":[17.0],"z":3e0,"t":1.788877046310003456e18,"q":null}]"#,
    );
    let band = out.plain.bands[0];
    assert_eq!((band.high, band.indicators[0], band.tape), (0.0, 17, 3));
    assert_eq!((band.ts_event, band.sequence), (1_788_877_046_310_003_456, ID_UNSET));
    let out =
        one(Venue::MassiveCrypto, r#"[{"ev":"XT","pair":"A-B","p":1,"s":1,"i":9007199254740993,"t":1610462007425}]"#);
    assert!(out.trades[0].id.starts_with(b"9007199254740993\0"));
}

#[test]
fn the_last_of_two_keys_wins_also_for_the_kind() {
    let frame = br#"[{"ev":"Q","p":"x","ev":"T","sym":"A","p":1.5,"s":1,"t":1781622376036,"s":2}]"#;
    let out = decode(Venue::MassiveStocks, frame);
    assert_eq!(out.trades.len(), 1);
    assert_eq!(out.trades[0].size, 2.0);
}

#[test]
fn escapes_and_white_space_change_nothing() {
    let plain = br#"[{"ev":"T","sym":"BRK.B","p":1.5,"s":1,"t":1781622376036}]"#;
    let odd = br#" [ { "s" : 1.0 , "\u0065v" : "\u0054" , "sym" : "BRK\u002eB" , "t":1.781622376036e12,"p":15e-1 } ] "#;
    let (a, b) = (decode(Venue::MassiveStocks, plain), decode(Venue::MassiveStocks, odd));
    assert_eq!(format!("{:?}", a.trades), format!("{:?}", b.trades));
    assert_eq!(a.name(plain, &a.entries[0]), b"BRK.B");
    assert_eq!(b.name(odd, &b.entries[0]), b"BRK.B");
}

#[test]
fn the_envelope_may_come_in_any_order() {
    let frame = br#"{"data":{"e":"trade","E":1,"s":"X"},"stream":"a@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#;
    let out = decode(Venue::BinanceUsdm, frame);
    assert_eq!((out.trades.len(), out.skipped.len()), (1, 0));
    assert_eq!(out.trades[0].price_e8, 6_180_030_000_000);
    assert_eq!(out.trades[0].id.split(|&byte| byte == 0).next(), Some(&b"5266583935"[..]));
}

#[test]
fn a_volume_too_large_for_its_exact_form_keeps_the_double() {
    let kline = |base: &str, quote: &str| {
        format!(
            r#"{{"e":"kline","E":1761955200012,"s":"BTCUSDT","k":{{"t":1759276800000, "T":1761955199999, "s":"BTCUSDT", "i":"1M", "f":1, "L":2, "o":"114000.1", "c":"109500.5", "h":"126000", "l":"101000", "v":"{base}", "n":2, "x":true, "q":"{quote}", "V":"{base}", "Q":"{quote}", "B":"0"}}}}"#
        )
    };
    let bar = |frame: &str| decode(Venue::BinanceUsdm, frame.as_bytes()).bars[0];
    let month = bar(&kline("5123456.789", "612345678901.23456789"));
    assert_eq!((month.volume, month.volume_e8), (5_123_456.789, 512_345_678_900_000));
    assert_eq!((month.dollar_volume, month.buy_dollar_volume), (612_345_678_901.234_6, 612_345_678_901.234_6));
    let shiba = bar(&kline("612345678901234", "7"));
    assert_eq!((shiba.volume, shiba.volume_e8, shiba.buy_volume), (612_345_678_901_234.0, E8_UNSET, shiba.volume));
    // What is no number, or below zero, is refused as before.
    for (base, quote, reason) in
        [("1e400", "7", SkipReason::OutOfRange), ("-1", "7", SkipReason::OutOfRange), ("x", "7", SkipReason::WrongType)]
    {
        let out = decode(Venue::BinanceUsdm, kline(base, quote).as_bytes());
        assert_eq!((out.bars.len(), out.skipped[0].reason), (0, reason), "{base}");
    }
}

#[test]
fn control_messages_are_told_apart() {
    let control = |frame: &str| decode(Venue::BinanceUsdm, frame.as_bytes()).control;
    assert_eq!(
        control(r#"{"result":["btcusdt@aggTrade"],"id":3}"#),
        [Control::Reply { id: Some("3".into()), result: r#"["btcusdt@aggTrade"]"#.into() }]
    );
    assert_eq!(
        control(r#"{"error":{"code":4,"msg":"Too many subscriptions"}}"#),
        [Control::Error { code: 4, message: "Too many subscriptions".into(), id: None }]
    );
    assert_eq!(
        control(r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        [Control::Error { code: -1121, message: "Invalid symbol.".into(), id: None }]
    );
    let out = decode(Venue::MassiveStocks, br#"[{"ev":"status","status":"auth_success","message":"authenticated"}]"#);
    assert_eq!(out.control, [Control::Status { status: "auth_success".into(), message: "authenticated".into() }]);
}
