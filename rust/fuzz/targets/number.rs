//! A number where doubles are read: its grammar, and each bit of its value against the standard parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape_model::Venue;

fuzz_target!(|data: &[u8]| {
    // Most bytes become something that numbers have.
    let text: Vec<u8> =
        data.iter().map(|&byte| if byte < 0x80 { byte } else { b"0123456789.-+eE1"[usize::from(byte & 15)] }).collect();
    let rest = br#","o":1,"c":1,"h":1,"l":1,"s":1788877043000,"e":1788877044000}"#;
    let event = [br#"{"ev":"A","sym":"FCX","v":1,"vw":"#, &text[..], rest].concat();
    let frame = [b"[", &event[..], b",", &event, b"]"].concat();
    let plain = std::str::from_utf8(&text).ok().filter(|text| is_number(text));
    ringtape_fuzz::check(Venue::MassiveStocks, &frame, |verdict, out| {
        let Some(text) = plain else { return };
        assert_eq!(verdict, Ok(()), "{text}");
        let want: f64 = text.parse().expect("JSON's numbers are Rust's, too");
        if want.is_finite() {
            assert_eq!(out.bars.len(), 2, "{text}");
            assert!(out.bars.iter().all(|bar| bar.vwap.to_bits() == want.to_bits()), "{text}");
        } else {
            assert_eq!(out.skipped.len(), 2, "{text}");
        }
    });
});

/// The grammar of RFC 8259, section 6, read off letter by letter.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, "0"), |(mantissa, exponent)| (mantissa, exponent));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(power)
}
