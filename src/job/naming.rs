//! How the API changes file names, learnt from the names of accepted files (DESIGN S6). Pure.

use icu_normalizer::ComposingNormalizer;
use std::borrow::Cow;

/// Whether the API shows this name for a file that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Every known way to change names turns the sent name into this one.
    Same,
    /// Some ways that the examples allow lead to this name, and some do not.
    Perhaps,
    /// No way that the examples allow leads to this name.
    Other,
}

/// The ways to change names that the examples allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    ways: Vec<Way>,
    /// Characters of the longest name that the API has shown. It may cut longer ones. `None` if it has shown none.
    longest: Option<usize>,
}

/// One way to change names, as steps in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    composes: bool,
    case: Case,
    replaces: Replaces,
    cut: Option<Cut>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

/// The characters that become `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaces {
    Nothing,
    Blanks,
    /// All characters outside ASCII, and blanks.
    Foreign,
    /// All but the ASCII letters, digits, `.`, `-` and `_`.
    Special,
}

/// Cuts a name that is longer than `longest` characters, at its end or at the end of its stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    longest: usize,
    keeps_extension: bool,
}

impl Naming {
    /// Allows every way, because no example exists.
    #[must_use]
    pub fn unknown() -> Self {
        let mut ways = Vec::new();
        for composes in [false, true] {
            for case in [Case::Kept, Case::Lower, Case::Upper] {
                for replaces in [Replaces::Nothing, Replaces::Blanks, Replaces::Foreign, Replaces::Special] {
                    ways.push(Way { composes, case, replaces, cut: None });
                }
            }
        }
        Self { ways, longest: None }
    }

    /// Learns from accepted files: pairs of the name sent and the name shown.
    #[must_use]
    pub fn learn<'a>(examples: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let examples: Vec<(&str, &str)> = examples.into_iter().collect();
        let ways = Self::unknown().ways.into_iter().filter_map(|way| way.fit(&examples)).collect();
        let longest = examples.iter().map(|(_, shown)| shown.chars().count()).max();
        Self { ways, longest }
    }

    /// Returns whether there was an example.
    #[must_use]
    pub fn is_learnt(&self) -> bool {
        self.longest.is_some()
    }

    /// Returns whether no known way explains the examples, so that names prove nothing.
    #[must_use]
    pub fn explains_nothing(&self) -> bool {
        self.ways.is_empty()
    }

    /// Returns whether the API may keep names unchanged.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        self.ways.contains(&KEEPS)
    }

    /// Returns whether the API may show a file that was sent as `sent` under the name `shown`.
    #[must_use]
    pub fn likeness(&self, sent: &str, shown: &str) -> Likeness {
        if self.explains_nothing() {
            return Likeness::Perhaps;
        }
        if sent == shown && self.may_keep() {
            return Likeness::Same;
        }
        let likely = self.ways.iter().filter(|way| way.apply(sent) == shown).count();
        match likely {
            0 if self.may_be_cut(sent, shown) => Likeness::Perhaps,
            0 => Likeness::Other,
            all if all == self.ways.len() => Likeness::Same,
            _ => Likeness::Perhaps,
        }
    }
}

impl Naming {
    /// Returns whether `shown` may be a cut of `sent` at a length that no accepted file has reached.
    fn may_be_cut(&self, sent: &str, shown: &str) -> bool {
        let cuts = [false, true].map(|keeps_extension| Cut { longest: shown.chars().count(), keeps_extension });
        let is_long = cuts[0].longest >= self.longest.unwrap_or(0).max(SHORTEST_CUT);
        let uncut = self.ways.iter().filter(|way| is_long && way.cut.is_none());
        uncut.map(|way| way.apply(sent)).any(|whole| cuts.iter().any(|cut| cut.apply(&whole) == shown))
    }
}

/// Shortest cut of any known server: the eight letters, the point and the extension of old file systems.
const SHORTEST_CUT: usize = 12;

const KEEPS: Way = Way { composes: false, case: Case::Kept, replaces: Replaces::Nothing, cut: None };

impl Way {
    /// Returns this way with the cut that the examples show, if they do not contradict it.
    fn fit(self, examples: &[(&str, &str)]) -> Option<Self> {
        let uncut: Vec<(String, &str)> = examples.iter().map(|(sent, shown)| (self.apply(sent), *shown)).collect();
        let Some((_, shortened)) = uncut.iter().find(|(whole, shown)| whole != shown) else { return Some(self) };
        let longest = shortened.chars().count();
        [false, true].into_iter().find_map(|keeps_extension| {
            let cut = Cut { longest, keeps_extension };
            let fits = uncut.iter().all(|(whole, shown)| cut.apply(whole) == *shown);
            fits.then_some(Self { cut: Some(cut), ..self })
        })
    }

    fn apply(&self, name: &str) -> String {
        let composed = if self.composes { ComposingNormalizer::new_nfc().normalize(name) } else { Cow::Borrowed(name) };
        let cased = match self.case {
            Case::Kept => composed.into_owned(),
            Case::Lower => composed.to_lowercase(),
            Case::Upper => composed.to_uppercase(),
        };
        let keeps = |letter: char| match self.replaces {
            Replaces::Nothing => true,
            Replaces::Blanks => !letter.is_whitespace(),
            Replaces::Foreign => letter.is_ascii() && !letter.is_whitespace(),
            Replaces::Special => letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'),
        };
        let replaced: String = cased.chars().map(|letter| if keeps(letter) { letter } else { '_' }).collect();
        self.cut.map_or(replaced.clone(), |cut| cut.apply(&replaced))
    }
}

impl Cut {
    fn apply(self, name: &str) -> String {
        if name.chars().count() <= self.longest {
            return name.to_owned();
        }
        match name.rsplit_once('.').filter(|_| self.keeps_extension) {
            Some((stem, extension)) => {
                let kept = self.longest.saturating_sub(extension.chars().count() + 1);
                format!("{}.{extension}", stem.chars().take(kept).collect::<String>())
            }
            None => name.chars().take(self.longest).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s6_nothing_is_known_at_first_and_the_same_name_is_the_same() {
        let naming = Naming::unknown();
        for (sent, shown, likeness) in [
            ("sales.txt", "sales.txt", Likeness::Same),
            ("Sales.txt", "Sales.txt", Likeness::Same),
            ("Sales.txt", "sales.txt", Likeness::Perhaps),
            ("sales north.txt", "sales_north.txt", Likeness::Perhaps),
            ("a\u{308}.txt", "\u{e4}.txt", Likeness::Perhaps),
            ("sales.txt", "costs.txt", Likeness::Other),
            ("sales.txt", "sale.txt", Likeness::Other),
        ] {
            assert_eq!(naming.likeness(sent, shown), likeness, "{sent} {shown}");
        }
    }

    #[test]
    fn s6_the_names_of_accepted_files_decide() {
        let lower = Naming::learn([("Sales.txt", "sales.txt")]);
        assert_eq!(lower.likeness("Costs.TXT", "costs.txt"), Likeness::Same);
        assert_eq!(lower.likeness("Costs.TXT", "Costs.TXT"), Likeness::Other);
        assert_eq!(lower.likeness("Costs 1.txt", "costs_1.txt"), Likeness::Perhaps);
        let plain = Naming::learn([("Sales North \u{e4}.txt", "Sales_North__.txt")]);
        assert_eq!(plain.likeness("Costs 1.txt", "Costs_1.txt"), Likeness::Same);
        let kept = Naming::learn([("Sa les a\u{308}.txt", "Sa les a\u{308}.txt")]);
        assert_eq!(kept.likeness("Costs.txt", "costs.txt"), Likeness::Other);
        let composed = Naming::learn([("Za\u{308}hlung.txt", "Z\u{e4}hlung.txt")]);
        assert_eq!(composed.likeness("A\u{308}.txt", "\u{c4}.txt"), Likeness::Same);
    }

    #[test]
    fn s6_a_cut_is_learnt_by_the_first_name_that_is_longer() {
        let cut = Naming::learn([("short.txt", "short.txt"), ("a-name-that-is-long.txt", "a-name-that.txt")]);
        assert_eq!(cut.likeness("a-name-that-goes-on.txt", "a-name-that.txt"), Likeness::Same);
        assert_eq!(cut.likeness("b.txt", "b.txt"), Likeness::Same);
        let whole = Naming::learn([("a-name-that-is-long.txt", "a-name-that-is-")]);
        assert_eq!(whole.likeness("another-name-too-long.txt", "another-name-to"), Likeness::Same);
    }

    /// Found by the simulation, seed 651491.
    #[test]
    fn s6_a_name_longer_than_any_before_may_be_cut() {
        let (sent, shown) = ("Report of the whole year 2026-02.txt", "Report of the whole .txt");
        for known in [Naming::unknown(), Naming::learn([("short.txt", "short.txt")])] {
            assert_eq!(known.likeness(sent, shown), Likeness::Perhaps);
            assert_eq!(known.likeness(sent, "Report of the whole year"), Likeness::Perhaps);
            assert_eq!(known.likeness(sent, "Report.txt"), Likeness::Other, "no server cuts as much");
            assert_eq!(known.likeness(sent, "Report of half a .txt"), Likeness::Other);
        }
        let kept = "A longer name than that is kept.txt";
        assert_eq!(Naming::learn([(kept, kept)]).likeness(sent, shown), Likeness::Other);
    }

    #[test]
    fn s6_names_without_any_rule_prove_nothing() {
        let naming = Naming::learn([("sales.txt", "8f3a.dat")]);
        assert!(naming.explains_nothing());
        assert_eq!(naming.likeness("costs.txt", "costs.txt"), Likeness::Perhaps);
    }

    proptest! {
        /// After datadrop has learnt how a server of any known kind changes names, it never takes a changed name of one
        /// of its files for another file's.
        #[test]
        fn learnt_names_never_deny_a_file_of_ours(names in proptest::collection::vec("[A-Za-z ä]{1,12}\\.[tT]xt", 1..6),
                                                       next in "[A-Za-z ä]{1,12}\\.txt", way in 0..24usize) {
            let way = Naming::unknown().ways[way];
            let shown: Vec<String> = names.iter().map(|name| way.apply(name)).collect();
            let naming = Naming::learn(names.iter().map(String::as_str).zip(shown.iter().map(String::as_str)));
            prop_assert_ne!(naming.likeness(&next, &way.apply(&next)), Likeness::Other);
        }
    }
}
