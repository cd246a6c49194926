//! Bytes to events and back: one folder a venue, no state, no clock.
//!
//! [`decode`] validates a frame to its last byte into a [`Staging`] area. A frame that is not sound JSON is
//! rejected whole; an event that is not sound is skipped alone, with its reason, and its neighbours stay in order.

pub mod binance;
mod error;
mod json;
mod level;
pub mod massive;
mod read;
mod staging;
mod text;

pub use error::{DecodeError, ErrorKind, Skip, SkipReason};
pub use json::{DEPTH_MAX, FRAME_MAX};
pub use level::Level;
pub use staging::{Control, EVENTS_MAX, Entry, Listed, Notice, Plain, Staging};

use ringtape_model::Venue;

/// Decodes one frame of a venue into `out`, which is cleared first.
///
/// # Errors
///
/// The frame is not JSON by RFC 8259 in UTF-8, or over a limit (8 MiB, depth 64, 100,000 events). `out` is then
/// empty: nothing of a rejected frame may be used.
#[inline]
pub fn decode(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    // There is no switch: levels differ in speed alone.
    decode_with(Level::Avx512, venue, frame, out)
}

/// Decodes as [`decode`] does, with the best instructions of this machine up to a level: for benches and tests.
///
/// # Errors
///
/// As [`decode`], at every level the same.
#[inline]
pub fn decode_with(most: Level, venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    out.clear();
    let decoded = level::decode(most, venue, frame, out);
    if decoded.is_err() {
        out.clear();
    }
    decoded
}

#[inline(always)]
fn decode_at<L: json::Level>(level: L, venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    let provider = usize::from(venue.is_massive());
    let mut scratch = out.scratch[provider].take().unwrap_or_else(staging::Scratch::new);
    let decoded = if venue.is_massive() {
        massive::decode(level, venue, frame, out, &mut scratch)
    } else {
        binance::decode(level, venue, frame, out, &mut scratch)
    };
    out.scratch[provider] = Some(scratch);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder at one level says of frames, one after the other, in words.
    fn said<L: json::Level>(level: L, venue: Venue, frames: &[&[u8]]) -> Vec<String> {
        let mut out = Staging::default();
        let mut say = |frame: &&[u8]| {
            out.clear();
            let decoded = decode_at(level, venue, frame, &mut out);
            let names: Vec<_> = out.entries.iter().map(|entry| out.name(frame, entry)).collect();
            let Staging { trades, quotes, bars, marks, plain, skipped, .. } = &out;
            format!("{decoded:?} {trades:?} {quotes:?} {bars:?} {marks:?} {plain:?} {skipped:?} {names:?}")
        };
        frames.iter().map(&mut say).collect()
    }

    /// Every level says the same of every frame, whatever it has learned from those before.
    fn all_agree(venue: Venue, frames: &[String]) {
        let frames: Vec<&[u8]> = frames.iter().map(String::as_bytes).collect();
        let want = said(json::Scalar, venue, &frames);
        #[cfg(target_arch = "x86_64")]
        {
            let levels = [
                json::v3().map(|level| said(level, venue, &frames)),
                json::v4().map(|level| said(level, venue, &frames)),
            ];
            for got in levels.iter().flatten() {
                for (at, frame) in frames.iter().enumerate() {
                    assert_eq!(got[at], want[at], "{}", String::from_utf8_lossy(frame));
                }
            }
        }
        // What was learned on the way changes nothing.
        for (frame, want) in frames.iter().zip(&want) {
            assert_eq!(&said(json::Scalar, venue, &[frame])[0], want, "{}", String::from_utf8_lossy(frame));
        }
    }

    #[test]
    fn levels_differ_in_speed_alone() {
        let quote = r#"{"ev":"Q","sym":"MSFT","c":1,"i":[604],"bx":4,"ax":7,"bp":114.125,"ap":114.128,"bs":100,"as":160,"t":1536036818784,"pt":1536036818763,"q":50385480,"z":3}"#;
        let trade = r#"{"ev":"T","sym":"BRK.B","i":"72815","x":12,"p":161.87,"s":1,"c":[14,37],"t":1651684192536,"pt":1651684192530,"q":4009408,"z":3,"ds":"0.740474"}"#;
        let bar = r#"{"ev":"AM","sym":"FCX","v":4989,"av":4332125,"op":75.98,"vw":78.0894,"o":78.1,"c":78.08,"h":78.125,"l":78.07,"a":76.8404,"z":62,"s":1788877043000,"e":1788877044000,"dv":"4989.0","dav":"4332125.038360"}"#;
        let print = r#"{"ev":"T","sym":"O:SPY251219C00650000","i":"7999-x","x":4,"p":0.5,"s":0,"c":[14,37,41,9,112],"t":1651684192536,"q":4,"z":3,"trfi":202,"trft":1651684192530,"ds":"0.740474"}"#;
        let lists = r#"{"ev":"Q","sym":"BRK.B","i":[302,604],"bx":4,"ax":7,"bp":1114.1257,"ap":1114.13,"bs":100,"as":160,"t":1536036818784,"q":50385480,"z":3}"#;
        let mut frames = Vec::new();
        let bare = r#"{"ev":"A","sym":"FCX","v":4989,"o":78.1,"c":78.08,"h":78.125,"l":78.07,"s":1788877043000}"#;
        for event in [quote, trade, bar, print, lists, bare] {
            let list = format!("[{}]", [event; 5].join(","));
            frames.extend([list.clone(), event.to_owned(), format!("[{event}]"), list.clone()]);
            // Every cut and every changed byte of a frame, after its shape was learned.
            for at in 0..event.len() {
                for byte in [b'"', b',', b'}', b'0', b'9', b'.', b'-', b'\\', b' ', b'A'] {
                    let mut broken = event.as_bytes().to_vec();
                    broken[at] = byte;
                    frames.push(format!("[{event},{},{event}]", String::from_utf8_lossy(&broken)));
                }
                frames.push(format!("[{event},{}", &event[..at]));
            }
            // Numbers that fit their form and not their meaning, behind a shape that is known.
            for odd in ["1781781622376036", "9223372036854", "999999999999999", "0", "0.5", "00", "12345678901234567"] {
                for (key, end) in [
                    ("\"t\":", ','),
                    ("\"s\":", ','),
                    ("\"bp\":", ','),
                    ("\"x\":", ','),
                    ("\"z\":", ','),
                    ("\"trfi\":", ','),
                    ("\"i\":[", ']'),
                    ("\"c\":[", ']'),
                ] {
                    if let Some((before, rest)) = event.split_once(key) {
                        let rest = rest.split_once(end).map_or("", |(_, rest)| rest);
                        frames.push(format!("[{event},{before}{key}{odd}{end}{rest},{event}]"));
                    }
                }
            }
            // More than one stretch of marks.
            frames.push(format!("[{}]", vec![event; 500].join(",")));
        }
        all_agree(Venue::MassiveStocks, &frames);
    }

    #[test]
    fn levels_differ_in_speed_alone_for_binance() {
        let aggregate = r#"{"e":"aggTrade","E":1786171884624,"a":3404749954,"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002","f":7960913511,"l":7960913511,"T":1786171884471,"m":true,"st":1}"#;
        let trade = r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#;
        let quote = r#"{"u":1007198632021,"e":"bookTicker","s":"BTCUSD_260327","ps":"BTCUSD","b":"61804.7","B":"35","a":"61804.8","A":"1645","T":1723161257465,"E":1723161257476}"#;
        let mark = r#"{"e":"markPriceUpdate","E":1790755201000,"s":"BTCUSDT","p":"83260.90826812","ap":"83260.90826812","P":"83390.61430362","i":"83301.32347826","r":"-0.00000244","T":1790784000000,"st":1}"#;
        let kline = r#"{"e":"kline","E":1786173360960,"s":"BTCUSDT","k":{"t":1786173300000, "T":1786173359999, "s":"BTCUSDT", "i":"1m", "f":7960920076, "L":7960920277, "o":"64970.80", "c":"64969.40", "h":"64970.90", "l":"64969.40", "v":"9.090", "n":194, "x":true, "q":"590577.96880", "V":"3.460", "Q":"224795.09440", "B":"0"}}"#;
        let mut frames = Vec::new();
        for event in [aggregate, trade, quote, mark, kline] {
            let in_envelope = format!("{{\"stream\":\"btcusdt@x\",\"data\":{event}}}");
            let list = format!("{{\"stream\":\"!x@arr\",\"data\":[{}]}}", [event; 5].join(","));
            frames.extend([event.to_owned(), in_envelope.clone(), in_envelope.clone(), list.clone(), list]);
            let turned = format!("{{\"data\":{event},\"stream\":\"btcusdt@x\"}}");
            // Every cut and every changed byte of a frame, after its outline was learned.
            for frame in [&in_envelope, &turned] {
                for at in 0..frame.len() {
                    for byte in [b'"', b',', b'}', b'{', b'0', b'9', b'.', b'-', b'\\', b' ', b'A', b':', 0xFF] {
                        let mut broken = frame.as_bytes().to_vec();
                        broken[at] = byte;
                        if let Ok(broken) = String::from_utf8(broken) {
                            frames.extend([frame.clone(), broken]);
                        }
                    }
                    for added in ["\"", "1", " ", "{", "}", ",\"x\":1", ",\"E\":2"] {
                        frames.push(format!("{}{added}{}", &frame[..at], &frame[at..]));
                    }
                    frames.push(frame[..at].to_owned());
                }
            }
            for at in 0..event.len() {
                for byte in [b'"', b',', b'}', b'0', b'.', b' '] {
                    let mut broken = event.as_bytes().to_vec();
                    broken[at] = byte;
                    frames.push(format!("[{event},{},{event}]", String::from_utf8_lossy(&broken)));
                }
            }
            // Values that fit their form and not their meaning, behind an outline that is known.
            for odd in
                ["1781781622376036", "9223372036854", "999999999999999", "0", "2", "0.5", "00", "-1", "1e3", "true"]
            {
                for key in [
                    "E", "T", "s", "p", "st", "u", "a", "b", "B", "f", "L", "n", "o", "h", "l", "v", "q", "r", "m",
                    "x", "X",
                ] {
                    for (open, close) in [(format!("\"{key}\":\""), "\""), (format!("\"{key}\":"), ",")] {
                        if let Some((before, rest)) = in_envelope.split_once(&open) {
                            let rest = rest.split_once(close).map_or("", |(_, rest)| rest);
                            frames.push(format!("{before}{open}{odd}{close}{rest}"));
                        }
                    }
                }
            }
            // More than one stretch of marks.
            frames.push(format!("[{}]", vec![event; 500].join(",")));
            frames.push(format!("[{}]", vec![event; 500].join(" ,\n")));
        }
        for venue in [Venue::BinanceUsdm, Venue::BinanceCoinm, Venue::BinanceSpot] {
            all_agree(venue, &frames);
        }
    }
}
