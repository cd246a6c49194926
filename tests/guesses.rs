//! What was learned from earlier frames changes how fast a frame is read, never what it says: a decoder that has
//! seen thousands of frames and one that has seen none agree on every frame, sound or damaged.

use proptest::prelude::*;
use ringtape::model::Venue;
use ringtape::wire::{self, DecodeError, Staging};

/// Frames as captured, of every kind that is decoded.
const MASSIVE: &[&str] = &[
    r#"{"ev":"T","sym":"AAPL","i":"143541","x":4,"p":297.845,"s":40,"c":[14,37,41],"t":1781622376036,"pt":1781622376029,"q":4938312,"z":3,"trfi":202,"trft":1781622376036,"ds":"40.0"}"#,
    r#"{"ev":"T","sym":"BRK.B","i":"72815","x":12,"p":161.87,"s":1,"t":1651684192536,"q":4009408,"z":3,"ds":"0.740474"}"#,
    r#"{"ev":"Q","sym":"MSFT","c":1,"i":[604],"bx":4,"ax":7,"bp":114.125,"ap":114.128,"bs":100,"as":160,"t":1536036818784,"pt":1536036818763,"q":50385480,"z":3}"#,
    r#"{"ev":"Q","sym":"F","bx":12,"ax":1,"bp":0,"ap":11,"bs":0,"as":9000,"t":1536036818785,"q":50385481,"z":1}"#,
    r#"{"ev":"A","sym":"FCX","v":4989,"av":4332125,"op":75.98,"vw":78.0894,"o":78.1,"c":78.08,"h":78.125,"l":78.07,"a":76.8404,"z":62,"s":1788877043000,"e":1788877044000,"dv":"4989.0","dav":"4332125.038360"}"#,
    r#"{"ev":"LULD","h":3.63,"l":2.97,"i":[15],"z":3,"T":"ATHR","t":1788877046310003385,"q":3209681}"#,
    r#"{"ev":"NOI","T":"NTEST.Q","t":1601318039223013600,"at":930,"a":"M","i":44,"x":10,"o":480,"p":440,"b":25.03}"#,
    r#"{"ev":"FMV","fmv":189.22,"sym":"AAPL","t":1678220098130}"#,
    r#"{"ev":"status","status":"success","message":"subscribed to: T.AAPL"}"#,
];
const COINS: &[&str] = &[
    r#"{"ev":"XT","pair":"BTC-USD","p":33021.9,"t":1610462007425,"s":0.01616617,"c":[2],"i":"14272084","x":3,"r":1610462007576}"#,
    r#"{"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,"t":1610462411115,"x":1,"r":1610462411128}"#,
    r#"{"ev":"XL2","pair":"BTC-USD","t":1610462411115,"r":1610462411128,"x":1,"b":[[33712.71,0.18635],[33712.7,0.134]],"a":[[33718.23,3.5527483]]}"#,
    r#"{"ev":"XA","pair":"BCD-USD","v":951.6112,"vw":0.7756,"z":73,"o":0.772,"c":0.784,"h":0.784,"l":0.771,"s":1610463240000,"e":1610463300000}"#,
];
const FUTURES: &[&str] = &[
    r#"{"ev":"T","sym":"ESZ4","z":3,"p":606450,"s":100,"t":1734103628363,"q":32599300}"#,
    r#"{"ev":"Q","sym":"ESZ4","bp":114.125,"bs":100,"bt":1734103628360,"ap":114.128,"as":160,"at":1734103628350,"t":1734103628363}"#,
    r#"{"ev":"AM","sym":"6CH5","v":91,"dv":1353.1,"o":6994.5,"c":6995,"h":6995,"l":6994.5,"n":10,"s":1734717060000,"e":1734717120000}"#,
];
const BINANCE: &[&str] = &[
    r#"{"stream":"btcusdt@depth5@100ms","data":{"e":"depthUpdate","E":1785048482829,"T":1785048482718,"s":"BTCUSDT","ps":"BTCUSDT","U":359220619477,"u":359220619477,"pu":359220613550,"b":[],"a":[["64346.70","589.8041"],["64347.00","0"]],"st":1}}"#,
    r#"{"e":"24hrMiniTicker","E":1791382992307,"s":"BNBUSDT","c":"0.0025","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","ps":"BNBUSDT","st":1}"#,
    r#"{"e":"forceOrder","E":1786172557615,"o":{"s":"STGUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"5","p":"0.1336000","ap":"0.1355000","X":"FILLED","l":"5","z":"5","T":1786172556607,"ps":"STGUSDT","st":1}}"#,
    r#"{"e":"MARGIN_CALL","E":1587727187525,"cw":"3.16812045","p":[{"s":"ETHUSDT","ps":"LONG","pa":"1.327","mt":"CROSSED","iw":"0","mp":"187.17127","up":"-1.166074","mm":"1.614445"}]}"#,
    r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#,
    r#"{"stream":"btcusd_perp@bookTicker","data":{"u":1007198632021,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"35","a":"61804.8","A":"1645","T":1723161257465,"E":1723161257476}}"#,
    r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1790755201000,"s":"BTCUSDT","p":"83260.90826812","ap":"83260.90826812","P":"83390.61430362","i":"83301.32347826","r":"-0.00000244","T":1790784000000,"st":1}}"#,
    r#"{"e":"kline","E":1626992741424,"s":"CTKUSDT","k":{"t":1626992700000,"T":1626992759999,"s":"CTKUSDT","i":"1m","f":23961275,"L":23961322,"o":"1.01000","c":"1.01100","h":"1.01100","l":"1.01000","v":"3917","n":48,"x":false,"q":"3957.89900","V":"1729","Q":"1748.01900","B":"0"}}"#,
    r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1786171884624,"a":3404749954,"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002","f":7960913511,"l":7960913511,"T":1786171884471,"m":true,"st":1}}"#,
    r#"{"e":"bookTicker","u":11331904350110,"s":"BTCUSDT","ps":"BTCUSDT","b":"72009.00","B":"3.065","a":"72009.10","A":"2.180","T":1787231293915,"E":1787231293915,"st":1}"#,
    r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1786173360960,"s":"BTCUSDT","k":{"t":1786173300000, "T":1786173359999, "s":"BTCUSDT", "i":"1m", "f":7960920076, "L":7960920277, "o":"64970.80", "c":"64969.40", "h":"64970.90", "l":"64969.40", "v":"9.090", "n":194, "x":true, "q":"590577.96880", "V":"3.460", "Q":"224795.09440", "B":"0"}}}"#,
];

/// Everything a decoder says of a frame, as text: NaN is equal to NaN there.
fn said(venue: Venue, frame: &[u8], staging: &mut Staging) -> Result<String, DecodeError> {
    wire::decode(venue, frame, staging)?;
    let names: Vec<&[u8]> = staging.entries.iter().map(|entry| staging.name(frame, entry)).collect();
    Ok(format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {names:?}",
        staging.trades, staging.quotes, staging.bars, staging.marks, staging.plain, staging.control, staging.skipped
    ))
}

/// A decoder that knows the captured orders and some that nobody sends.
fn seasoned(venue: Venue, frames: &[&str]) -> Staging {
    let mut staging = Staging::default();
    for _ in 0..3 {
        for frame in frames {
            let all = format!("[{frame},{frame}]");
            assert!(wire::decode(venue, all.as_bytes(), &mut staging).is_ok(), "{frame}");
            assert!(wire::decode(venue, frame.as_bytes(), &mut staging).is_ok(), "{frame}");
        }
    }
    staging
}

/// Bytes that matter to a reader of numbers, texts and structure.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        prop::sample::select(b"0123456789.eE+-\"\\,:{}[] \n\ttfn/uTQA".to_vec()),
        prop::sample::select(vec![0u8, 0x1F, 0x7F, 0x80, 0xC3, 0xFF]),
        any::<u8>(),
    ]
}

/// One change: where (as a share of the frame), how, and with which byte.
type Change = (f64, u8, u8);
/// A captured frame and what happens to it.
type Pick = (usize, Vec<Change>);

fn damage() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0.0..1.0, 0..4u8, byte()), 0..4)
}

fn damaged(frame: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = frame.as_bytes().to_vec();
    for &(share, how, byte) in changes {
        let at = (share * bytes.len() as f64) as usize;
        match how {
            0 if !bytes.is_empty() => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => {
                // A stretch that comes twice: double keys, double digits.
                let end = (at + usize::from(byte % 24)).min(bytes.len());
                let stretch = bytes[at..end].to_vec();
                bytes.splice(at..at, stretch);
            }
        }
    }
    bytes
}

fn agree(venue: Venue, frames: &[&str], picks: &[Pick]) -> Result<(), TestCaseError> {
    let parts: Vec<Vec<u8>> =
        picks.iter().map(|(pick, changes)| damaged(frames[pick % frames.len()], changes)).collect();
    let mut array = b"[".to_vec();
    array.extend(parts.join(&b','));
    array.push(b']');
    let mut seasoned = seasoned(venue, frames);
    for frame in parts.iter().chain(std::iter::once(&array)) {
        let fresh = said(venue, frame, &mut Staging::default());
        prop_assert_eq!(&said(venue, frame, &mut seasoned), &fresh, "{}", String::from_utf8_lossy(frame));
        // And again, now that it has seen this very frame.
        prop_assert_eq!(&said(venue, frame, &mut seasoned), &fresh, "{}", String::from_utf8_lossy(frame));
    }
    Ok(())
}

/// An app may have feeds of both providers, and they share an engine.
#[test]
fn what_was_learned_of_one_provider_is_nothing_to_the_other() {
    let mut seasoned = Staging::default();
    for round in 0..4 {
        for (venue, frames) in [(Venue::MassiveStocks, MASSIVE), (Venue::BinanceUsdm, BINANCE)] {
            for frame in frames {
                // The kind last, too: until it is known, all kinds share what was learned.
                let (kind, rest) = frame[1..].split_once(',').expect("more than one key");
                let other = format!("{{{},{kind}}}", rest.trim_end_matches('}'));
                for frame in [*frame, &other] {
                    let fresh = said(venue, frame.as_bytes(), &mut Staging::default());
                    assert_eq!(said(venue, frame.as_bytes(), &mut seasoned), fresh, "round {round}: {frame}");
                }
            }
        }
    }
}

/// The fast lane leaves nothing in the slots of an event, so nobody may look for its name there.
#[test]
fn an_event_of_the_fast_lane_has_no_name_in_the_slots() {
    for frame in BINANCE {
        let event = frame.split_once(r#""data":"#).map_or(*frame, |(_, data)| data.strip_suffix('}').unwrap_or(data));
        let far = format!("[{}{event},{event}]", " ".repeat(3_000));
        let envelope = format!(r#"{{"\u0073tream":"x","data":[{event}]}}"#);
        let mut seasoned = Staging::default();
        for frame in [&far, &far, &envelope, &far, &envelope, &envelope] {
            let fresh = said(Venue::BinanceUsdm, frame.as_bytes(), &mut Staging::default());
            assert_eq!(said(Venue::BinanceUsdm, frame.as_bytes(), &mut seasoned), fresh, "{frame}");
        }
    }
}

/// A blank too many hides the key of the kind from whoever looks for marks; the next event does not have it at all.
#[test]
fn a_kind_that_was_not_seen_is_not_taken_for_granted() {
    let (first, kind) = (r#"{"u":1007198684216"#, r#""e":"bookTicker""#);
    let rest = r#""s":"BTCUSD_PERP","ps":"BTCUSD","b":"61805.2","B":"4","a":"61808.9","A":"2544","T":1723161263743,"E":1723161263750}"#;
    let (hidden, without) = (format!("{first}, \n{kind},{rest}"), format!("{first},{rest}"));
    for (hidden, without) in [
        (hidden.clone(), without.clone()),
        (format!("[{hidden}]"), format!("[{without}]")),
        (format!(r#"{{"stream":"x","data":{hidden}}}"#), format!(r#"{{"stream":"x","data":{without}}}"#)),
    ] {
        let mut seasoned = Staging::default();
        for _ in 0..3 {
            assert!(said(Venue::BinanceCoinm, hidden.as_bytes(), &mut seasoned).is_ok());
        }
        let fresh = said(Venue::BinanceCoinm, without.as_bytes(), &mut Staging::default());
        assert_eq!(said(Venue::BinanceCoinm, without.as_bytes(), &mut seasoned), fresh, "{without}");
    }
}

proptest! {
    #[test]
    fn massive(picks in prop::collection::vec((0..MASSIVE.len(), damage()), 1..5)) {
        agree(Venue::MassiveStocks, MASSIVE, &picks)?;
    }

    #[test]
    fn coins(picks in prop::collection::vec((0..COINS.len(), damage()), 1..5)) {
        agree(Venue::MassiveCrypto, COINS, &picks)?;
    }

    #[test]
    fn futures(picks in prop::collection::vec((0..FUTURES.len(), damage()), 1..5)) {
        agree(Venue::MassiveFutures, FUTURES, &picks)?;
    }

    #[test]
    fn binance(picks in prop::collection::vec((0..BINANCE.len(), damage()), 1..4)) {
        agree(Venue::BinanceUsdm, BINANCE, &picks)?;
    }
}
