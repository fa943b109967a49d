//! Decimal numbers of data files, added exactly: no floating point, and no overflow.

use std::fmt;

/// Number of digits that always fit into 64 bits.
const SHORT: usize = 18;

/// Powers of ten, by their exponents.
const POWERS: [i64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// A decimal number, with as many decimals as the longest of its summands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decimal {
    units: i128,
    decimals: u16,
}

/// Why a text is not a [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDecimal {
    /// Its form is not `2`, `2.50` or `-2`.
    Form,
    /// Its form is right, but it has more digits than are kept (38).
    Size,
}

impl Decimal {
    /// Reads `2`, `2.50` or `-2`.
    ///
    /// # Errors
    ///
    /// [`NotDecimal`], with the reason.
    #[inline]
    pub fn read(text: &[u8]) -> Result<Self, NotDecimal> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let (mut units, mut point) = (0_i64, None);
        for (index, byte) in digits.iter().enumerate() {
            match byte {
                // Long texts wrap here. The code below reads them again.
                b'0'..=b'9' => units = units.wrapping_mul(10).wrapping_add(i64::from(byte - b'0')),
                b'.' if point.is_none() && index > 0 => point = Some(index),
                _ => return Err(NotDecimal::Form),
            }
        }
        let decimals = point.map_or(0, |point| digits.len() - point - 1);
        if digits.is_empty() || point.is_some() && decimals == 0 {
            return Err(NotDecimal::Form);
        }
        let is_negative = digits.len() < text.len();
        if digits.len() > SHORT {
            return long(digits, decimals, is_negative).ok_or(NotDecimal::Size);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is less than the few digits of a short text")]
        let decimals = decimals as u16;
        Ok(Self { units: i128::from(if is_negative { -units } else { units }), decimals })
    }

    /// Returns whether it was written with a point.
    #[must_use]
    pub fn has_decimals(self) -> bool {
        self.decimals > 0
    }

    /// Returns the amount with the opposite sign.
    #[must_use]
    pub fn negated(self) -> Self {
        // No number has the smallest possible units, because they have no positive counterpart.
        Self { units: self.units.saturating_neg(), ..self }
    }

    /// Returns whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.units == 0
    }

    /// Adds exactly. Returns false if the sum has more digits than are kept. The value is then no sum any more.
    #[must_use]
    #[inline]
    pub fn add(&mut self, other: Self) -> bool {
        let units = if self.decimals == other.decimals { Some(other.units) } else { other.few_units_of(self.decimals) };
        let Some(units) = units else { return self.add_other(other) };
        let (sum, is_over) = self.units.overflowing_add(units);
        self.units = sum;
        !is_over
    }

    /// Returns its units, scaled to `decimals`. Fast path for amounts as short as nearly all are, whose product cannot
    /// overflow.
    #[inline]
    fn few_units_of(self, decimals: u16) -> Option<i128> {
        let power = POWERS.get(usize::from(decimals.checked_sub(self.decimals)?))?;
        Some(i128::from(*power) * i128::from(i64::try_from(self.units).ok()?))
    }

    /// Adds a number with other decimals.
    fn add_other(&mut self, other: Self) -> bool {
        let decimals = self.decimals.max(other.decimals);
        let sum = self.units_of(decimals).zip(other.units_of(decimals)).and_then(|(one, two)| one.checked_add(two));
        *self = Self { units: sum.unwrap_or_default(), decimals };
        sum.is_some()
    }

    /// Returns its units, scaled to `decimals`, which must not be fewer than its own.
    fn units_of(self, decimals: u16) -> Option<i128> {
        10_i128.checked_pow(u32::from(decimals - self.decimals))?.checked_mul(self.units)
    }
}

#[cold]
fn long(digits: &[u8], decimals: usize, is_negative: bool) -> Option<Decimal> {
    let mut digits = digits.iter().filter(|byte| **byte != b'.');
    let units = digits.try_fold(0_i128, |units, byte| units.checked_mul(10)?.checked_add(i128::from(byte - b'0')))?;
    Some(Decimal { units: if is_negative { -units } else { units }, decimals: u16::try_from(decimals).ok()? })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.decimals);
        let digits = format!("{:0width$}", self.units.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if decimals > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_number_reads_as_it_is_written() {
        let longest = "9".repeat(38);
        for text in ["0", "2", "2.50", "-2", "-0.5", "9999999999999999999", "0.000000000000001", &longest] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!((decimal("007").to_string(), decimal("-0.00").to_string()), ("7".to_owned(), "0.00".to_owned()));
    }

    #[test]
    fn another_form_is_no_number_and_nor_are_too_many_digits() {
        for text in ["", "-", ".", ".5", "5.", "-.5", "1.2.3", "--5", "+5", " 5", "1,5", "1e3", "5-"] {
            assert_eq!(Decimal::read(text.as_bytes()), Err(NotDecimal::Form), "{text}");
        }
        for text in
            ["9".repeat(39), format!("-{}.{}", "9".repeat(30), "9".repeat(9)), format!("0.{}", "0".repeat(70_000))]
        {
            assert_eq!(Decimal::read(text.as_bytes()), Err(NotDecimal::Size));
        }
    }

    #[test]
    fn sums_are_exact_or_not_known() {
        let sum = |a: &str, b: &str| {
            let mut sum = decimal(a);
            sum.add(decimal(b)).then(|| sum.to_string())
        };
        assert_eq!(sum("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(sum("2.50", "-2.5").unwrap(), "0.00");
        assert_eq!(sum("18446744073709551615", "0.000000000000001").unwrap(), "18446744073709551615.000000000000001");
        assert_eq!(sum(&"9".repeat(38), &"9".repeat(38)), None);
        assert_eq!(sum(&"9".repeat(38), "0.1"), None);
    }
}
