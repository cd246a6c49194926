//! Text to tokens. Everything that is not plain ASCII is refused here, so that later stages may count bytes.

use ringtape_model::Nanos;
use ringtape_model::field::window_text;
use ringtape_model::units::{MILLI, SECOND};

use super::{Fault, Span, TEXT_MAX};

/// What a token is; names and strings are read from the text by their span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token {
    /// A plain number; `scaled` for one written with K, M or B.
    Number {
        value: f64,
        scaled: bool,
    },
    /// `3%`, `30bp` as a fraction.
    Ratio(f64),
    Duration(Nanos),
    /// `20t`: a number of trades.
    Ticks,
    /// `09:30`
    Clock,
    Text,
    Name,
    And,
    Or,
    Not,
    In,
    Is,
    Undefined,
    True,
    False,
    Crosses,
    CrossesAbove,
    CrossesBelow,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Open,
    Close,
    Comma,
    Dots,
    Bracket,
    /// `]`, `{`, `}`: characters that no rule uses yet.
    Stray,
    At,
    Assign,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Span,
}

/// The tokens of a text, closed by `End`, and every character that cannot stand in one.
pub(super) fn lex(text: &str) -> (Vec<Lexeme>, Vec<Fault>) {
    if text.len() > TEXT_MAX {
        let at = (0..=TEXT_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let reason = format!("the text has {} bytes, the limit is {TEXT_MAX}", text.len());
        return (Vec::new(), vec![Fault::new(Span::new(at, at), reason, "split the rule in two")]);
    }
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, out: Vec::new(), faults: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    let end = text.trim_end().len();
    lexer.out.push(Lexeme { token: Token::End, span: Span::new(end, end) });
    (lexer.out, lexer.faults)
}

/// The length of a duration text such as `30s`, in ns.
pub(super) fn duration(text: &str) -> Option<Nanos> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    number.parse::<Nanos>().ok()?.checked_mul(unit_of(unit)?)
}

fn unit_of(suffix: &str) -> Option<Nanos> {
    Some(match suffix {
        "ms" => MILLI,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    })
}

/// What to write instead of a character that is often pasted by mistake, and whether it may be shown as it is.
pub(super) fn look_alike(c: char) -> Option<(&'static str, bool)> {
    Some(match c {
        '≥' => ("write >=", true),
        '≤' => ("write <=", true),
        '≠' => ("write !=", true),
        '×' | '·' => ("write *", true),
        '÷' => ("write /", true),
        '−' | '–' | '—' => ("write -", true),
        '‘' | '’' | '“' | '”' => ("write a plain quotation mark", true),
        '‰' => ("write a percentage such as 0.3%", true),
        '\u{A0}' | '\u{2007}' | '\u{202F}' | '\u{3000}' => ("write an ordinary space", false),
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{61C}' => {
            ("remove this invisible character", false)
        }
        _ => return None,
    })
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: Vec<Lexeme>,
    faults: Vec<Fault>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, token: Token, start: usize) {
        self.out.push(Lexeme { token, span: Span::new(start, self.at) });
    }

    fn fault(&mut self, start: usize, reason: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::new(Span::new(start, self.at), reason, hint));
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && keep(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn step(&mut self) {
        let start = self.at;
        match self.peek(0) {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'#' => self.comment(),
            b'0'..=b'9' => self.number(),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => self.word(),
            quote @ (b'"' | b'\'') => self.quoted(quote),
            b' '..=b'~' => self.symbol(),
            _ => self.foreign(start),
        }
    }

    /// A comment may be written in any language, but must not steer the terminal or reorder what is shown.
    fn comment(&mut self) {
        let end = self.text[self.at..].find('\n').map_or(self.text.len(), |length| self.at + length);
        while self.at < end {
            let Some(c) = self.text[self.at..end].chars().next() else { return };
            let hidden = matches!(look_alike(c), Some((_, false))) && !c.is_whitespace();
            if hidden || (c.is_control() && c != '\t' && c != '\r') {
                self.foreign(self.at);
            } else {
                self.at += c.len_utf8();
            }
        }
    }

    fn foreign(&mut self, start: usize) {
        let c = self.text[start..].chars().next().unwrap_or(' ');
        self.at = start + c.len_utf8();
        let hint = look_alike(c).map_or("rules are written in plain ASCII", |(hint, _)| hint);
        self.fault(start, format!("character U+{:04X} is not allowed", u32::from(c)), hint);
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        let token = match &self.text[start..self.at] {
            "and" => Token::And,
            "or" => Token::Or,
            "not" => Token::Not,
            "in" => Token::In,
            "is" => Token::Is,
            "undefined" => Token::Undefined,
            "true" => Token::True,
            "false" => Token::False,
            "crosses" => Token::Crosses,
            "crosses_above" => Token::CrossesAbove,
            "crosses_below" => Token::CrossesBelow,
            _ => Token::Name,
        };
        self.push(token, start);
    }

    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        self.skip_while(|b| b != quote && b != b'\n' && b.is_ascii() && b >= b' ');
        if self.peek(0) == quote {
            self.at += 1;
            self.push(Token::Text, start);
        } else {
            self.at = start + 1;
            self.fault(start, "unclosed quotation mark", "");
            self.at = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        }
    }

    fn symbol(&mut self) {
        let start = self.at;
        let pair = [self.peek(0), self.peek(1)];
        let (length, found) = match &pair {
            b"<=" => (2, Ok(Token::LessEqual)),
            b">=" => (2, Ok(Token::GreaterEqual)),
            b"==" => (2, Ok(Token::Equal)),
            b"!=" => (2, Ok(Token::NotEqual)),
            b".." => (2, Ok(Token::Dots)),
            b"&&" => (2, Err("write and")),
            b"||" => (2, Err("write or")),
            b"<>" => (2, Err("write !=")),
            b"=<" => (2, Err("write <=")),
            b"=>" => (2, Err("write >=")),
            b"**" => (2, Err("write the product out")),
            _ => (1, self.single(pair[0])),
        };
        self.at += length;
        match found {
            Ok(token) => self.push(token, start),
            Err(hint) => self.fault(start, format!("unexpected '{}'", &self.text[start..self.at]), hint),
        }
    }

    fn single(&self, byte: u8) -> Result<Token, &'static str> {
        Ok(match byte {
            b'<' => Token::Less,
            b'>' => Token::Greater,
            b'+' => Token::Plus,
            b'-' => Token::Minus,
            b'*' => Token::Star,
            b'/' => Token::Slash,
            b'(' => Token::Open,
            b')' => Token::Close,
            b'[' => Token::Bracket,
            b']' | b'{' | b'}' => Token::Stray,
            b',' => Token::Comma,
            b'@' => Token::At,
            b'=' => Token::Assign,
            b'&' => return Err("write and"),
            b'|' => return Err("write or"),
            b'!' => return Err("write not"),
            b'.' if self.peek(1).is_ascii_digit() => return Err("write a digit before the point, such as 0.5"),
            b'%' => return Err("write the percent sign against its number, such as 3%"),
            b'$' => return Err("write the number alone; prices have no sign"),
            _ => return Err(""),
        })
    }

    /// INVARIANT: a point belongs to the number only when a digit follows it, so `1..20` is `1` `..` `20`.
    fn number(&mut self) {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        if self.peek(0) == b':' && self.peek(1).is_ascii_digit() {
            self.skip_while(|b| b.is_ascii_digit() || b == b':');
            return self.push(Token::Clock, start);
        }
        let whole = !(self.peek(0) == b'.' && self.peek(1).is_ascii_digit());
        if !whole {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        }
        let digits = &self.text[start..self.at];
        let suffix_start = self.at;
        if self.peek(0) == b'%' {
            self.at += 1;
        } else {
            self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        }
        let suffix = &self.text[suffix_start..self.at];
        if digits.ends_with('_') || digits.contains("__") || digits.contains("_.") || digits.contains("._") {
            return self.fault(start, "an underscore stands between two digits", "write 1_000_000 or 1M");
        }
        match literal(&digits.replace('_', ""), suffix, whole) {
            Ok(token) => self.push(token, start),
            Err((reason, hint)) => self.fault(start, reason, hint),
        }
    }
}

/// The value of a number with its suffix. Powers of ten are left to the decimal reader, so `0.7%` is the double
/// nearest to 0.007, not the nearest to a rounded quotient.
fn literal(digits: &str, suffix: &str, whole: bool) -> Result<Token, (String, String)> {
    let scaled_by = |power: i32| -> Result<f64, (String, String)> {
        match format!("{digits}e{power}").parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(("the number is too large".to_owned(), String::new())),
        }
    };
    Ok(match suffix {
        "" => Token::Number { value: scaled_by(0)?, scaled: false },
        "K" => Token::Number { value: scaled_by(3)?, scaled: true },
        "M" => Token::Number { value: scaled_by(6)?, scaled: true },
        "B" => Token::Number { value: scaled_by(9)?, scaled: true },
        "%" => Token::Ratio(scaled_by(-2)?),
        "bp" => Token::Ratio(scaled_by(-4)?),
        "t" if whole => Token::Ticks,
        _ => match unit_of(suffix) {
            Some(unit) => Token::Duration(whole_duration(digits, unit, whole)?),
            None => return Err(bad_suffix(digits, suffix)),
        },
    })
}

fn whole_duration(digits: &str, unit: Nanos, whole: bool) -> Result<Nanos, (String, String)> {
    if !whole {
        let exact = digits.parse::<f64>().map_or(0.0, |number| number * unit as f64);
        let fits = exact > 0.0 && exact < 1e18 && exact % MILLI as f64 == 0.0;
        let hint = if fits { format!("write {}", window_text(exact as Nanos)) } else { String::new() };
        return Err(("a duration is a whole number".to_owned(), hint));
    }
    let length = digits.parse::<Nanos>().ok().and_then(|number| number.checked_mul(unit));
    length.ok_or_else(|| ("the duration is too long".to_owned(), String::new()))
}

fn bad_suffix(digits: &str, suffix: &str) -> (String, String) {
    let meant = match suffix.to_ascii_lowercase().as_str() {
        "k" | "thousand" => "K",
        "mn" | "mio" | "mil" | "mm" | "million" => "M",
        "b" | "bn" | "billion" => "B",
        "bps" => "bp",
        "pct" | "percent" => "%",
        "ms" | "msec" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => "",
    };
    let hint = if meant.is_empty() {
        "known are K M B, % bp, ms s m h d".to_owned()
    } else {
        format!("did you mean {digits}{meant}?")
    };
    (format!("unknown suffix '{suffix}'"), hint)
}
