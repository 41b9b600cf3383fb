//! Numbers as people read them.

/// With thousands separated.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits, with k, M or G; a dash for what was not measured.
pub fn figure(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        "–".to_owned()
    } else if size >= 1e9 {
        format!("{:.2}G", number / 1e9)
    } else if size >= 1e6 {
        format!("{:.2}M", number / 1e6)
    } else if size >= 1e4 {
        format!("{:.1}k", number / 1e3)
    } else if size >= 100.0 || number.fract() == 0.0 {
        format!("{number:.0}")
    } else if size >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// A time given in milliseconds.
pub fn ms(number: f64) -> String {
    if number >= 10_000.0 {
        format!("{:.1} s", number / 1e3)
    } else if number >= 100.0 {
        format!("{number:.0} ms")
    } else if number >= 1.0 {
        format!("{number:.1} ms")
    } else {
        format!("{:.0} µs", number * 1e3)
    }
}

/// A text inside HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}
