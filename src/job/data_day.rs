//! The data days of a file, with the rows of each day and their totals of the metrics.

use super::{Decimal, Problem, counted};
use jiff::civil::Date;
use serde_json::json;

/// Maximum number of totals kept of one file, over all days. It allows 10,000 days of 20 metrics; Adobe takes 90 days.
const MOST_TOTALS: usize = 250_000;
/// Maximum number of days kept of one file.
const MOST_DAYS: usize = 20_000;

/// The data days of a file: the dates in its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataDays {
    /// All columns, unsorted.
    columns: Vec<String>,
    metrics: Vec<String>,
    /// Sorted by date.
    days: Vec<DataDay>,
    first: Option<Date>,
    last: Option<Date>,
    /// There were more days than are kept.
    is_cut: bool,
}

/// A data day of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDay {
    /// The date.
    pub date: Date,
    /// The rows with this date, including those that Adobe would skip.
    pub rows: u64,
    /// The sum of these rows for each of [`DataDays::metrics`].
    pub totals: Vec<Total>,
}

/// The sum of a metric over the rows of a day, without rows that Adobe would skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The sum of the plain numbers. `None` if it has more digits than are kept.
    pub sum: Option<Decimal>,
    /// Number of negative values among them.
    pub negative: u64,
    /// Number of rows whose value is not a plain number, so that the sum leaves them out.
    pub left_out: u64,
}

impl Default for Total {
    fn default() -> Self {
        Self { sum: Some(Decimal::default()), negative: 0, left_out: 0 }
    }
}

impl Total {
    /// Adds a plain number. `None` if it has more digits than are kept.
    #[inline]
    pub(crate) fn add(&mut self, number: Option<Decimal>) {
        if let Some(sum) = &mut self.sum
            && !number.is_some_and(|number| sum.add(number))
        {
            self.sum = None;
        }
    }

    /// Adds the total of other rows of the day.
    pub fn add_total(&mut self, other: &Self) {
        self.add(other.sum);
        self.negative = self.negative.saturating_add(other.negative);
        self.left_out = self.left_out.saturating_add(other.left_out);
    }

    /// Subtracts what [`Self::add_total`] has added. A sum that had too many digits stays unknown.
    pub fn take_back(&mut self, other: &Self) {
        self.add(other.sum.map(Decimal::negated));
        self.negative = self.negative.saturating_sub(other.negative);
        self.left_out = self.left_out.saturating_sub(other.left_out);
    }

    /// Writes the totals of a day as text for [`Self::list_from`]. The text is short, because there is one for each day
    /// of each file.
    #[must_use]
    pub fn list_text(totals: &[Self]) -> String {
        let values = totals.iter().map(|total| {
            let sum = total.sum.map(|sum| sum.to_string());
            if (total.negative, total.left_out) == (0, 0) {
                json!(sum)
            } else {
                json!([sum, total.negative, total.left_out])
            }
        });
        serde_json::Value::Array(values.collect()).to_string()
    }

    /// Reads the text of [`Self::list_text`]. The sum of an unreadable total is unknown, because somebody changed the
    /// text.
    #[must_use]
    pub fn list_from(text: &str) -> Vec<Self> {
        let values: Vec<serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
        let sum = |value: &serde_json::Value| Decimal::read(value.as_str()?.as_bytes()).ok();
        let count = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_u64).unwrap_or(0);
        let total = |value: &serde_json::Value| match value.as_array() {
            Some(parts) => {
                Self { sum: parts.first().and_then(sum), negative: count(parts.get(1)), left_out: count(parts.get(2)) }
            }
            None => Self { sum: sum(value), ..Self::default() },
        };
        values.iter().map(total).collect()
    }
}

impl DataDays {
    /// The first day, also if it is not kept.
    #[must_use]
    pub fn first(&self) -> Option<Date> {
        self.first
    }

    /// The last day, also if it is not kept.
    #[must_use]
    pub fn last(&self) -> Option<Date> {
        self.last
    }

    /// The distinct days in order, up to the number that is kept.
    #[must_use]
    pub fn all(&self) -> &[DataDay] {
        &self.days
    }

    /// Returns whether `all` holds every day.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_cut
    }

    /// The metric columns in the order of the header, with Adobe's names.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// All columns in alphabetical order, with Adobe's names. The order of the header does not matter.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The metrics in alphabetical order.
    #[must_use]
    pub fn sorted_metrics(&self) -> Vec<&str> {
        self.in_alphabet().into_iter().map(|(metric, _)| metric).collect()
    }

    /// The totals of one day, in the order of [`Self::sorted_metrics`].
    #[must_use]
    pub fn sorted_totals(&self, day: &DataDay) -> Vec<Total> {
        self.in_alphabet().into_iter().filter_map(|(_, place)| day.totals.get(place).copied()).collect()
    }

    /// The metrics in alphabetical order, each with its index.
    fn in_alphabet(&self) -> Vec<(&str, usize)> {
        let mut metrics: Vec<_> = self.metrics.iter().map(String::as_str).zip(0..).collect();
        metrics.sort_unstable();
        metrics
    }

    /// Adds a day. Returns its index, or `None` if there are too many days.
    pub(crate) fn enter(&mut self, date: Date) -> Option<usize> {
        self.first = Some(self.first.map_or(date, |first| first.min(date)));
        self.last = self.last.max(Some(date));
        match self.days.binary_search_by_key(&date, |day| day.date) {
            Ok(place) => Some(place),
            Err(_) if !self.has_room() => {
                self.is_cut = true;
                None
            }
            Err(place) => {
                let totals = vec![Total::default(); self.metrics.len()];
                self.days.insert(place, DataDay { date, rows: 0, totals });
                Some(place)
            }
        }
    }

    fn has_room(&self) -> bool {
        self.days.len() < MOST_DAYS && (self.days.len() + 1) * self.metrics.len() <= MOST_TOTALS
    }

    /// Adds a column.
    pub(crate) fn enter_column(&mut self, column: &str) {
        if let Err(place) = self.columns.binary_search_by(|known| known.as_str().cmp(column)) {
            self.columns.insert(place, column.to_owned());
        }
    }

    /// Returns the index of a metric in the totals of every day.
    pub(crate) fn place_of(&mut self, metric: &str) -> usize {
        self.metrics.iter().position(|known| known == metric).unwrap_or_else(|| {
            self.metrics.push(metric.to_owned());
            self.days.iter_mut().for_each(|day| day.totals.push(Total::default()));
            self.metrics.len() - 1
        })
    }

    /// Counts a row. Returns the totals of its day, if it has one.
    pub(crate) fn row_of(&mut self, place: Option<usize>) -> &mut [Total] {
        let Some(day) = place.and_then(|place| self.days.get_mut(place)) else { return &mut [] };
        day.rows += 1;
        &mut day.totals
    }
}

/// The problem with this number of accepted files whose days are unknown, because they were not checked or have no
/// date.
#[must_use]
pub fn files_of_no_day(files: i64) -> Option<Problem> {
    let what = format!(
        "the data days of {} are not known, as they were not checked or have no date that can be read",
        counted(files, "accepted file")
    );
    let remedy = "stop the service and run `datadrop coverage --rebuild`, which reads those in sent/ and done/ again";
    (files > 0).then(|| Problem::new(what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn no_more_days_are_kept_than_memory_may_hold() {
        let mut days = DataDays::default();
        for metric in 0..20 {
            days.place_of(&format!("Event {metric}"));
        }
        let mut day = date(2026, 6, 1);
        for _ in 0..MOST_TOTALS / 20 {
            assert!(days.enter(day).is_some() && days.enter(day).is_some() && days.is_complete());
            day = day.yesterday().unwrap();
        }
        assert_eq!((days.enter(day), days.is_complete()), (None, false));
        assert_eq!(days.enter(day.tomorrow().unwrap()), Some(0), "a day that is kept goes on");
        assert_eq!((days.all().len(), days.first(), days.last()), (12_500, Some(day), Some(date(2026, 6, 1))));
        let mut plain = DataDays::default();
        let mut day = date(2026, 6, 1);
        while plain.enter(day).is_some() {
            day = day.yesterday().unwrap();
        }
        assert_eq!((plain.all().len(), plain.is_complete()), (MOST_DAYS, false), "also without a metric");
    }

    #[test]
    fn the_order_of_the_columns_does_not_matter() {
        let header = |names: &[&str]| {
            let mut days = DataDays::default();
            for name in names {
                days.enter_column(name);
                if name.starts_with("Event") {
                    days.place_of(name);
                }
            }
            let place = days.enter(date(2026, 6, 1));
            for (total, metric) in days.row_of(place).iter_mut().zip(names.iter().filter(|name| name.starts_with('E')))
            {
                total.add(Decimal::read(&metric.as_bytes()[6..]).ok());
            }
            (days.columns().to_vec(), days.sorted_metrics().join(","), days.sorted_totals(&days.all()[0]))
        };
        assert_eq!(header(&["Date", "Event 2", "Event 10"]), header(&["Event 10", "Event 2", "Date", "Date"]));
    }

    fn total() -> impl Strategy<Value = Total> {
        let sum = proptest::option::of("-?[0-9]{1,38}(\\.[0-9]{1,9})?")
            .prop_map(|text| text.and_then(|text| Decimal::read(text.as_bytes()).ok()));
        (sum, prop_oneof![Just(0_u64), 0..u64::MAX], prop_oneof![Just(0_u64), 0..9_u64])
            .prop_map(|(sum, negative, left_out)| Total { sum, negative, left_out })
    }

    proptest! {
        #[test]
        fn the_kept_totals_of_a_day_read_back(totals in proptest::collection::vec(total(), 0..9)) {
            prop_assert_eq!(Total::list_from(&Total::list_text(&totals)), totals);
        }

        #[test]
        fn a_subtracted_total_leaves_no_trace(one in "-?[0-9]{1,17}(\\.[0-9]{1,9})?", two in "-?[0-9]{1,17}(\\.[0-9]{1,9})?") {
            let of = |text: &str| Total { sum: Decimal::read(text.as_bytes()).ok(), negative: 1, left_out: 2 };
            let mut total = of(&one);
            total.add_total(&of(&two));
            total.take_back(&of(&two));
            let mut zero = total;
            zero.take_back(&of(&one));
            prop_assert!(zero.sum.unwrap().is_zero() && zero.negative == 0 && zero.left_out == 0);
        }
    }
}
