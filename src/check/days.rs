//! The data days of a file: the rows of each, and what they add to the metrics.

use crate::job::Decimal;
use jiff::civil::Date;

/// "Data Sources supports up to 90 unique days in a file."
const MOST_DAYS: usize = 90;

/// The data days of a file: those that its rows are dated with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataDays {
    metrics: Vec<String>,
    /// In order.
    days: Vec<DataDay>,
    first: Option<Date>,
    last: Option<Date>,
}

/// A data day of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDay {
    /// Which day.
    pub date: Date,
    /// The rows that are dated with it, those that Adobe would skip among them.
    pub rows: u64,
    /// What they add to each of [`DataDays::metrics`].
    pub totals: Vec<Total>,
}

/// What the rows of a day add to a metric; those that Adobe would skip add nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The sum of its plain numbers. `None`: it has more digits than are kept.
    pub sum: Option<Decimal>,
    /// How many of these numbers are negative.
    pub negative: u64,
    /// Rows whose value is no plain number, and no part of the sum.
    pub left_out: u64,
}

impl Default for Total {
    fn default() -> Self {
        Self { sum: Some(Decimal::default()), negative: 0, left_out: 0 }
    }
}

impl Total {
    /// Adds a plain number. `None`: it has more digits than are kept.
    #[inline]
    pub(super) fn add(&mut self, number: Option<Decimal>) {
        if let Some(sum) = &mut self.sum
            && !number.is_some_and(|number| sum.add(number))
        {
            self.sum = None;
        }
    }
}

impl DataDays {
    /// The first of all.
    #[must_use]
    pub fn first(&self) -> Option<Date> {
        self.first
    }

    /// The last of all.
    #[must_use]
    pub fn last(&self) -> Option<Date> {
        self.last
    }

    /// The different days in order. If there are more than 90, these are 91 of them.
    #[must_use]
    pub fn all(&self) -> &[DataDay] {
        &self.days
    }

    /// Whether `all` lacks none.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.days.len() <= MOST_DAYS
    }

    /// The metric columns in the order of the header, as Adobe writes their names.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// Adds a day; its place, unless it is one of too many.
    pub(super) fn enter(&mut self, date: Date) -> Option<usize> {
        self.first = Some(self.first.map_or(date, |first| first.min(date)));
        self.last = self.last.max(Some(date));
        match self.days.binary_search_by_key(&date, |day| day.date) {
            Ok(place) => Some(place),
            Err(_) if !self.is_complete() => None,
            Err(place) => {
                let totals = vec![Total::default(); self.metrics.len()];
                self.days.insert(place, DataDay { date, rows: 0, totals });
                Some(place)
            }
        }
    }

    /// The place of a metric among the totals of every day.
    pub(super) fn place_of(&mut self, metric: &str) -> usize {
        self.metrics.iter().position(|known| known == metric).unwrap_or_else(|| {
            self.metrics.push(metric.to_owned());
            self.days.iter_mut().for_each(|day| day.totals.push(Total::default()));
            self.metrics.len() - 1
        })
    }

    /// Counts a row; the totals of its day, if it has one.
    pub(super) fn row_of(&mut self, place: Option<usize>) -> &mut [Total] {
        let Some(day) = place.and_then(|place| self.days.get_mut(place)) else { return &mut [] };
        day.rows += 1;
        &mut day.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn ninety_days_are_as_many_as_there_may_be() {
        let mut days = DataDays::default();
        let mut day = date(2026, 6, 1);
        for _ in 0..90 {
            assert!(days.enter(day).is_some() && days.enter(day).is_some() && days.is_complete());
            day = day.yesterday().unwrap();
        }
        assert!(days.enter(day).is_some() && !days.is_complete());
        let before = day.yesterday().unwrap();
        assert_eq!((days.enter(before), days.enter(day)), (None, Some(0)), "no further day is kept");
        assert_eq!((days.all().len(), days.first(), days.last()), (91, Some(before), Some(date(2026, 6, 1))));
    }
}
