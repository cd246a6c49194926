//! `JSONTestSuite`: every file as a frame, and as a value that nobody reads.

use ringtape::model::Venue;
use ringtape::wire::ErrorKind::{BadNumber, BadUtf8, LoneSurrogate, TooDeep, UnexpectedByte};
use ringtape::wire::{self, ErrorKind, Staging};

use super::{Guarded, everywhere, machine, read, shared};

const VENUES: [Venue; 2] = [Venue::MassiveStocks, Venue::BinanceUsdm];

/// Files whose verdict RFC 8259 leaves open, with ours: five are sound, as for orjson and msgspec; a sixth that those two
/// accept is too deep here.
const OPEN: [(&str, Option<ErrorKind>); 35] = [
    ("i_number_double_huge_neg_exp", None),
    ("i_number_huge_exp", Some(BadNumber)),
    ("i_number_neg_int_huge_exp", Some(BadNumber)),
    ("i_number_pos_double_huge_exp", Some(BadNumber)),
    ("i_number_real_neg_overflow", Some(BadNumber)),
    ("i_number_real_pos_overflow", Some(BadNumber)),
    ("i_number_real_underflow", None),
    ("i_number_too_big_neg_int", None),
    ("i_number_too_big_pos_int", None),
    ("i_number_very_big_negative_int", None),
    ("i_object_key_lone_2nd_surrogate", Some(LoneSurrogate)),
    ("i_string_1st_surrogate_but_2nd_missing", Some(LoneSurrogate)),
    ("i_string_1st_valid_surrogate_2nd_invalid", Some(LoneSurrogate)),
    ("i_string_UTF-16LE_with_BOM", Some(BadUtf8)),
    ("i_string_UTF-8_invalid_sequence", Some(BadUtf8)),
    ("i_string_UTF8_surrogate_U+D800", Some(BadUtf8)),
    ("i_string_incomplete_surrogate_and_escape_valid", Some(LoneSurrogate)),
    ("i_string_incomplete_surrogate_pair", Some(LoneSurrogate)),
    ("i_string_incomplete_surrogates_escape_valid", Some(LoneSurrogate)),
    ("i_string_invalid_lonely_surrogate", Some(LoneSurrogate)),
    ("i_string_invalid_surrogate", Some(LoneSurrogate)),
    ("i_string_invalid_utf-8", Some(BadUtf8)),
    ("i_string_inverted_surrogates_U+1D11E", Some(LoneSurrogate)),
    ("i_string_iso_latin_1", Some(BadUtf8)),
    ("i_string_lone_second_surrogate", Some(LoneSurrogate)),
    ("i_string_lone_utf8_continuation_byte", Some(BadUtf8)),
    ("i_string_not_in_unicode_range", Some(BadUtf8)),
    ("i_string_overlong_sequence_2_bytes", Some(BadUtf8)),
    ("i_string_overlong_sequence_6_bytes", Some(BadUtf8)),
    ("i_string_overlong_sequence_6_bytes_null", Some(BadUtf8)),
    ("i_string_truncated-utf-8", Some(BadUtf8)),
    ("i_string_utf16BE_no_BOM", Some(BadUtf8)),
    ("i_string_utf16LE_no_BOM", Some(BadUtf8)),
    ("i_structure_500_nested_arrays", Some(TooDeep)),
    ("i_structure_UTF-8_BOM_empty_object", Some(UnexpectedByte)),
];

fn files() -> Vec<(String, Vec<u8>)> {
    let folder = shared("data/jsontestsuite/test_parsing");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry of the folder").path();
            let frame = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(), frame)
        })
        .collect();
    files.sort();
    let count = |first: &str| files.iter().filter(|(name, _)| name.starts_with(first)).count();
    assert_eq!([count("y_"), count("n_"), count("i_")], [95, 188, 35], "{}", folder.display());
    files
}

/// The verdict that a file must get: sound or not, and of what kind where that is ours to say.
fn check(name: &str, verdict: Result<(), wire::DecodeError>) {
    match name.as_bytes().first() {
        Some(b'y') => assert_eq!(verdict, Ok(()), "{name}"),
        Some(b'n') => assert!(verdict.is_err(), "{name}"),
        _ => {
            let want = OPEN.iter().find(|(open, _)| *open == name).unwrap_or_else(|| panic!("{name} has no verdict"));
            assert_eq!(verdict.err().map(|error| error.kind), want.1, "{name}");
        }
    }
}

#[test]
fn every_file_everywhere() {
    let mut guarded = Guarded::new(300_000);
    for (name, frame) in files() {
        for venue in VENUES {
            check(&name, everywhere(venue, &frame, &mut guarded));
        }
    }
}

#[test]
fn every_file_as_a_value_that_nobody_reads() {
    let open = r#"[{"ev":"T","sym":"AAPL","p":1.5,"s":1,"t":1781622376036,"zz":"#;
    let mut out = Staging::default();
    for (name, file) in files() {
        for end in ["}]", r#","yy":1},{"ev":"T","sym":"MSFT","p":1.5,"s":1,"t":1781622376036}]"#] {
            let frame = [open.as_bytes(), &file, end.as_bytes()].concat();
            for level in machine() {
                let verdict = read(level, Venue::MassiveStocks, &frame, &mut out);
                // Inside an event a number may be as large as it likes, as long as nobody reads it.
                if name.starts_with("i_number") {
                    assert_eq!(verdict, Ok(()), "{name}");
                } else {
                    check(&name, verdict);
                }
                let events = if end.len() > 2 { 2 } else { 1 };
                assert_eq!(out.trades.len(), if verdict.is_ok() { events } else { 0 }, "{name}");
            }
        }
    }
}
