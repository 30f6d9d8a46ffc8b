//! Durations and sizes, as people write them: `1m30s`, `64M`.

use std::time::Duration;

/// Nanoseconds per unit. Years, months and weeks are left out: nobody waits for them, and a typing
/// error should not turn into one.
const DURATION_UNITS: [(&str, u128); 4] =
    [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// The longest grace period: longer is a typing error, and every deadline stays far from overflow.
pub const LONGEST_GRACE: Duration = Duration::from_hours(24);

/// Reads a duration: `10s`, `500ms`, `1m30s`, `2h`, `1.5s`; a bare whole number is seconds.
///
/// The error is a fragment that fits after the name of what was read: `needs a unit, ...`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: a duration such as `10s` is needed".to_owned());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().map_err(|_| too_large(text))?;
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let (amount, after) = split_number(rest).ok_or_else(|| {
            format!(
                "is no duration: `{}`; write it as `10s`, `500ms`, `1m30s` or `2h`",
                shorten(text)
            )
        })?;
        let end = after.find(|letter: char| !letter.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("needs a unit after `{}`: ms, s, m or h", shorten(amount)));
        }
        let Some((_, factor)) = DURATION_UNITS.iter().find(|(known, _)| *known == unit) else {
            return Err(format!(
                "has the unknown unit `{}`: ms, s, m and h are known",
                shorten(unit)
            ));
        };
        nanoseconds = scale(amount, *factor)
            .and_then(|part| nanoseconds.checked_add(part))
            .ok_or_else(|| too_large(text))?;
        rest = after.trim_start();
    }
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| too_large(text))
}

/// Reads a size in bytes: `64M`, `1.5G`, `64KiB`, `512MB`; base 1024 whatever the spelling.
///
/// A number without a unit is refused: Cloud Foundry reads it as megabytes, Docker as bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: a size such as `64M` is needed".to_owned());
    }
    let (amount, unit) = split_number(text).ok_or_else(|| {
        format!("is no size: `{}`; write it as `64M`, `1.5G` or `512KiB`", shorten(text))
    })?;
    let unit = unit.trim();
    let factor: u128 = match unit.to_ascii_lowercase().as_str() {
        "" => {
            return Err(format!("needs a unit: `{0}M` or `{0}G`, for example", shorten(amount)));
        }
        "b" => 1,
        "k" | "ki" | "kb" | "kib" => 1 << 10,
        "m" | "mi" | "mb" | "mib" => 1 << 20,
        "g" | "gi" | "gb" | "gib" => 1 << 30,
        "t" | "ti" | "tb" | "tib" => 1 << 40,
        _ => {
            return Err(format!(
                "has the unknown unit `{}`: K, M, G and T are known (base 1024)",
                shorten(unit)
            ));
        }
    };
    let bytes = scale(amount, factor)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| too_large(text))?;
    if bytes == 0 {
        return Err("must be more than 0".to_owned());
    }
    Ok(bytes)
}

/// A size as [`parse_size`] reads it back, in the largest unit that needs no fraction: `64M`.
pub fn bytes_as_size(bytes: u64) -> String {
    let units = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];
    let whole = |shift: u32| bytes > 0 && bytes.trailing_zeros() >= shift;
    match units.into_iter().find(|(_, shift)| whole(*shift)) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// Splits a leading decimal number, `12` or `1.5`, from what follows.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some((number, rest))
}

/// The number times the factor, cut to a whole one. `None` when it is too large.
fn scale(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?;
    // Nine digits are finer than anything that is measured here, and cannot overflow.
    let fraction = &fraction[..fraction.len().min(9)];
    let digits = u32::try_from(fraction.len()).ok()?;
    let part = match fraction {
        "" => 0,
        _ => fraction.parse::<u128>().ok()? * factor / 10_u128.pow(digits),
    };
    u128::from(whole).checked_mul(factor)?.checked_add(part)
}

/// The fragment for what fits into no number.
fn too_large(text: &str) -> String {
    format!("is too large: `{}`", shorten(text))
}

/// Keeps a message readable when somebody hands us a whole file as a number.
fn shorten(text: &str) -> String {
    super::problem::shown(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_in_every_documented_form() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("9", 9_000),
            ("0", 0),
            ("1.5s", 1_500),
            (" 3s ", 3_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_what_would_be_one() {
        for (text, part) in [
            ("", "is empty"),
            ("soon", "is no duration"),
            ("-5s", "is no duration"),
            ("1.5", "needs a unit after `1.5`"),
            ("1m30", "needs a unit after `30`"),
            ("1y", "unknown unit `y`"),
            ("1M", "unknown unit `M`"),
            ("1e3", "unknown unit `e`"),
            ("1.s", "is no duration"),
            ("99999999999999999999", "too large"),
            ("18446744073709551615s1000ms", "too large"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_base_1024_in_every_spelling() {
        for (text, bytes) in [
            ("512Mi", 512 << 20),
            ("64M", 64 << 20),
            ("64MB", 64 << 20),
            ("64mib", 64 << 20),
            ("64KiB", 64 << 10),
            ("1.5G", 3 << 29),
            ("1T", 1 << 40),
            ("100 B", 100),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_what_would_be_one() {
        for (text, part) in [
            ("", "is empty"),
            ("512", "needs a unit: `512M`"),
            ("lots", "is no size"),
            ("5X", "unknown unit `X`"),
            ("0M", "more than 0"),
            ("99999999T", "too large"),
        ] {
            let error = parse_size(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_size_is_read_back(bytes in 1_u64.., shift in 0_u32..50) {
            let bytes = (bytes >> shift).max(1) << shift.min(bytes.leading_zeros());
            prop_assert_eq!(parse_size(&bytes_as_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_the_units_panic(text in "\\PC*", digits in "[0-9.]{1,40}[a-zA-Z]{0,3}") {
            for text in [text, digits] {
                let _ = (parse_duration(&text), parse_size(&text));
            }
        }
    }
}
