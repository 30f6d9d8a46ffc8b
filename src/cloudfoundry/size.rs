//! Sizes as Cloud Foundry reads them: a number, a fraction allowed, and a unit, base 1024.

/// The megabytes of an exbibyte: no machine has more.
pub(super) const MOST: u64 = 1 << 40;

/// Reads a size in whole megabytes, cut. The error is the end of a sentence that begins with the
/// field's name, in the platform's words.
pub(super) fn megabytes(text: &str) -> Result<u64, &'static str> {
    let bytes = bytes(text)?;
    Ok(u64::try_from(bytes >> 20).unwrap_or(u64::MAX))
}

/// The same in bytes.
pub(super) fn bytes(text: &str) -> Result<u128, &'static str> {
    const UNIT: &str = "must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB";
    const NUMBER: &str = "is not a number";
    let text = text.trim();
    let letters = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text[letters.len()..].to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        // `fiveM`: the unit is there, the number is not.
        other if other.ends_with(['b', 'k', 'm', 'g', 't']) && letters.is_empty() => {
            return Err(NUMBER);
        }
        _ => return Err(UNIT),
    };
    let number = letters.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(NUMBER);
    }
    let whole: u128 = whole.parse::<u64>().map_err(|_| NUMBER)?.into();
    // More than twelve digits after the point are less than a byte of a terabyte.
    let fraction = &fraction[..fraction.len().min(12)];
    let digits = u32::try_from(fraction.len()).unwrap_or(12);
    let part: u128 = fraction.parse::<u64>().map_err(|_| NUMBER)?.into();
    Ok((whole << shift) + (part << shift) / 10_u128.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_base_1024_in_any_case() {
        for (text, whole) in [
            ("1048576B", 1),
            ("1024K", 1),
            ("1024kb", 1),
            ("1024KiB", 1),
            ("64M", 64),
            ("64mb", 64),
            ("64MiB", 64),
            ("1.5G", 1_536),
            ("1GB", 1_024),
            ("2gib", 2_048),
            ("1T", 1 << 20),
            ("1TB", 1 << 20),
            ("1TiB", 1 << 20),
            ("1.9M", 1),
            ("0.5M", 0),
            (" 64 M ", 64),
        ] {
            assert_eq!(megabytes(text), Ok(whole), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_said_in_the_platforms_words() {
        for text in ["512", "", "64X", "64MM", "lots"] {
            let error = megabytes(text).expect_err(text);
            assert_eq!(
                error, "must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
                "{text}"
            );
        }
        for text in ["-5M", "1.2.3M", ".5M", "5.M", "1e3M", "M", "fiveM", "99999999999999999999M"] {
            assert_eq!(megabytes(text), Err("is not a number"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", digits in "[0-9.]{1,40} ?[a-zA-Z]{0,3}") {
            let _ = (megabytes(&text), megabytes(&digits));
        }
    }
}
