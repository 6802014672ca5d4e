//! Numbers and flags in the texts of a request.

use std::ops::RangeInclusive;

use crate::invalid::Invalid;

/// Parses a whole number within bounds: digits only, no sign.
///
/// # Errors
/// The bounds.
pub fn integer<T>(bounds: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, Invalid>
where
    T: TryFrom<u32> + PartialOrd + std::fmt::Display,
{
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        let number = number.and_then(|number: u32| T::try_from(number).ok());
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            Invalid(format!("must be a whole number from {least} to {most}").into())
        })
    }
}

/// Parses `true` or `false`, in upper or lower case.
///
/// # Errors
/// Any other text.
pub fn boolean(text: &str) -> Result<bool, Invalid> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Invalid::because("must be true or false"))
    }
}
