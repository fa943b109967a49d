//! The rules: for each a stable word, its text, its effect at Adobe, the source, and the remedy.
//!
//! The severity of a finding follows only from the sources. `skips`: a source says that only the row is lost. `fails`:
//! a source says that the file fails, or says "must" and names no other effect. `doubtful`: no source names the effect,
//! or the only source is a page that Adobe has removed and that gave no reason.

use serde::Serialize;
use std::fmt;

/// The effect of a finding at Adobe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// No source names the effect.
    Doubtful,
    /// Adobe skips the row and processes the rest of the file.
    Skips,
    /// Adobe does not process the file, or datadrop never sends it.
    Fails,
}

impl Severity {
    /// The word in the output of the command and in its JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The description of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The effect at Adobe.
    pub severity: Severity,
    /// The source.
    pub source: &'static str,
    /// The text of the rule.
    pub says: &'static str,
    /// The effect on a file that breaks it.
    pub effect: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

const FORMAT: &str = "Adobe, \"Data sources file format\"";
const FAQ: &str = "Adobe, \"Data sources FAQ\"";
const UPLOAD: &str = "Adobe, \"Data sources file upload\"";
const API_FAQ: &str = "Adobe, \"Analytics 2.0 API FAQ\"";
const TRANSACTION: &str = "Adobe, \"transactionID\"";
const RETENTION: &str = "Adobe, \"Data retention\"";
const EVAR: &str = "Adobe, \"eVar\" and \"campaign\", pages on tags";
const PRODUCTS: &str = "Adobe, \"products\", a page on tags";
const ZIP: &str = "Adobe, \"zip\", a page on tags";
const REVENUE: &str = "Adobe, \"Revenue\"";
const EVENTS: &str = "Adobe, \"events\", a page on tags";
const OLD_FAQ: &str = "Adobe, \"Data sources FAQ\" until 2023";
const OLD_REQUIREMENTS: &str = "Adobe, \"Data sources requirements\", a page until 2023";
const OLD_COLUMNS: &str = "Adobe, \"Data sources types\", pages until 2023";
const GUIDE: &str = "the guide of the Data Sources API";
const NONE: &str = "none: Adobe says nothing about it";
const SUITE: &str = "what Adobe says of the report suite (inferred: it may list what is not enabled)";
const OURS: &str = "datadrop itself";

macro_rules! rules {
    ($($name:ident $word:literal $severity:ident $source:ident $says:literal $effect:literal $remedy:literal;)+) => {
        /// The rules, with the words that programs and `--explain` use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $says] $name,)+
        }

        impl Code {
            /// Every rule: about the file, its characters, its header, its rows, its dates.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its word, which never changes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// Its description.
            #[must_use]
            pub fn rule(self) -> Rule {
                match self {
                    $(Self::$name => Rule {
                        severity: Severity::$severity,
                        source: $source,
                        says: $says,
                        effect: $effect,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

rules! {
    NameWhiteSpace "name-white-space" Fails OLD_FAQ
        "A file name neither begins nor ends with white space."
        "Such a file \"goes unrecognized\"."
        "Rename the file.";
    NameNotSendable "name-not-sendable" Fails OURS
        "A file name is UTF-8 without control characters."
        "The request and the job log could not carry the name as it is, so datadrop rejects the file."
        "Rename the file.";
    ExtensionCase "extension-case" Fails FORMAT
        "The extension is `.txt` in lower case, that of a marker `.fin`."
        "Files that end in `.TXT` or `.FIN` are not processed, and datadrop ignores them."
        "Rename the file.";
    ExtensionOther "extension-other" Doubtful FORMAT
        "A data file ends in `.txt`; `.tab` is named as well."
        "Adobe names no other extension and does not say what becomes of one. datadrop ignores it unless the account's \
         `extensions` has it."
        "Rename the file to `.txt`.";
    FileTooLarge "file-too-large" Doubtful FAQ
        "All files that wait in the FTP account of a data source hold 50 MB together at most."
        "Above that Adobe pauses until files are gone. The API names no limit. datadrop rejects what is larger than \
         `upload.max_file_size`, 50 MB unless configured otherwise."
        "Split the file; each part needs the header.";
    UploadTime "upload-time" Doubtful API_FAQ
        "A request ends after 60 s."
        "At the speed of the uploads before it, this file would not be there by then, and whether Adobe has it would \
                 not be known at once."
        "Split the file; each part needs the header.";
    MarkerNotEmpty "marker-not-empty" Fails UPLOAD
        "A marker (`.fin`) is empty."
        "It only says that the data file of the same name is complete. datadrop rejects a marker that holds anything but \
         white space, as it may be a data file with the wrong name."
        "Empty the file, or give it the extension `.txt`.";
    FileEmpty "file-empty" Fails GUIDE
        "A data file holds something."
        "An empty file is taken for one that is yet to be written: it waits, and is rejected if it stays empty."
        "Write the header and at least one row.";
    NameOfCopy "name-of-copy" Doubtful OURS
        "A file name is not that of a copy, such as `sales (1).txt` or `sales - Copy.txt`."
        "Browsers, file managers and synchronised folders give such names. If the file itself was sent too, Adobe counts its \
                 rows twice."
        "Compare it with the file that it may be a copy of. If it is another, rename it.";
    MayBeCutOff "may-be-cut-off" Doubtful NONE
        "The last line ends with a line end, as the others do."
        "A copy that broke off ends like this. What is missing is missing in the reports, and the file does not show \
                 it."
        "See whether the file is whole, and let its writer end each row with a line feed.";
    CutOff "cut-off" Fails OLD_FAQ
        "The last row is whole: it has as many tabs as the header, and a line end."
        "\"The file is not processed due to column mismatch\". A copy or an export broke off, and what followed is missing."
        "Copy the file again, or let its writer finish it.";
    JoinedFiles "joined-files" Fails FORMAT
        "There is one header, and a byte order mark only at the beginning."
        "Two files were joined. Adobe reads the second header as a row without a date, and the mark as a part of the value."
        "Send the files one by one, or leave out the second header and the mark.";
    Utf16 "utf-16" Doubtful OLD_REQUIREMENTS
        "A file is UTF-8; UTF-16 with a byte order mark is converted."
        "The page that said so is gone."
        "Save the file as UTF-8: iconv -f UTF-16 -t UTF-8.";
    Utf16WithoutMark "utf-16-without-mark" Fails OLD_REQUIREMENTS
        "UTF-16 without a byte order mark is not supported."
        "Adobe reads bytes that are no text; the file fails or is garbled. Nothing else in it is checked."
        "Save the file as UTF-8: iconv -f UTF-16LE -t UTF-8 (UTF-16BE if that gives no text).";
    BadCharacter "bad-character" Doubtful OLD_REQUIREMENTS
        "A file is UTF-8; ISO-8859-1 and Windows-1252 only where the report suite is set to them."
        "Adobe stops with \"Found bad character in file\", or processes the file and shows garbled text."
        "Save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8.";
    NulByte "nul-byte" Doubtful NONE
        "A text holds no NUL bytes."
        "They end a text in many programs, so that the rest of the value, or of the file, may be lost."
        "Write the file without them: tr -d '\\000'.";
    LoneReturn "lone-return" Doubtful NONE
        "A row ends with a line feed, or with carriage return and line feed."
        "A carriage return by itself may be taken for the end of the row or for a part of the value."
        "Write the file with line feeds: tr '\\r' '\\n', if nothing but returns end its rows.";
    DoubleReturn "double-return" Doubtful NONE
        "A line ends with a line feed, or with one carriage return and a line feed."
        "The second carriage return may become a part of the last value or of the last column's name."
        "Transfer the file in binary mode, or repair it: sed 's/\\r*$/\\r/'.";
    BlankRow "blank-row" Doubtful NONE
        "There are no blank rows between the others."
        "They may be ignored, or fail the file for their number of fields. datadrop does not count them."
        "Delete them, or begin them with `#`.";
    WrongDataSource "wrong-data-source" Doubtful FORMAT
        "The first comment of a template holds `ds_id: N`, the number of the data source that it was made for."
        "Adobe ignores comments, and the columns of a template may fit another data source too. But the file may be in the \
                 wrong folder, and what Adobe has added cannot be taken back."
        "Move the file to the account of that data source. If the account is right, correct or remove the comment.";
    NoHeader "no-header" Fails FORMAT
        "The first row that is no comment is the header."
        "Without one the columns are unknown."
        "Write a row with the names of the columns before the first row of data.";
    NotTabDelimited "not-tab-delimited" Fails FORMAT
        "Tabs separate the columns, in the header too; not spaces or commas."
        "Adobe sees one column whose name it does not know. Nothing else in the file is checked."
        "Save the file as tab-delimited text.";
    HeaderTooLong "header-too-long" Doubtful FORMAT
        "A row has 4096 bytes at most. The number of columns has no limit."
        "Adobe does not say whether a longer header is one row too long."
        "Leave out columns that hold nothing, or split the file by columns.";
    DateNotFirst "date-not-first" Fails FORMAT
        "The first column is `Date`: the first value in every row must be the date."
        "The file fails."
        "Put the column `Date` first.";
    ColumnEmpty "column-empty" Fails FORMAT
        "Every column has a name."
        "A column without one, such as after a tab at the end of the header, is no valid column; the file fails."
        "Remove the tab, in every row, or name the column.";
    ColumnSpacing "column-spacing" Fails FORMAT
        "The spaces in the name of a column are required, its case is not: `eVar1` is invalid, `EVAR 1` is valid."
        "The file fails. Adobe contradicts itself here: the sample on its page \"Data sources file upload\" begins \
                 `date eVar1 event1`."
        "Write the name with its spaces, which both pages accept.";
    ColumnWhiteSpace "column-white-space" Doubtful NONE
        "The name of a column neither begins nor ends with white space."
        "The name may be taken as unknown."
        "Remove the white space.";
    ColumnUnknown "column-unknown" Fails FORMAT
        "Only the columns that Adobe lists are known. Names of one's own belong into a comment."
        "The file fails."
        "Use the name that Adobe lists, such as `Evar 12` for what your report suite calls `Store`.";
    ColumnUnsupported "column-unsupported" Fails FORMAT
        "Visitors, pages, props and list variables are no columns of Data Sources."
        "\"Adobe does not support data sources for any other dimensions or metrics\": the file fails."
        "Remove the column, or send such data by Bulk Data Insertion.";
    ColumnOutOfRange "column-out-of-range" Fails FORMAT
        "There are `Evar 1` to `Evar 250` and `Event 1` to `Event 1000`."
        "The file fails."
        "Correct the number.";
    ColumnLegacy "column-legacy" Doubtful OLD_COLUMNS
        "Some columns were known once and are not in today's list."
        "Adobe does not say whether it still takes them."
        "Use a column of today's list.";
    ColumnNotEnabled "column-not-enabled" Doubtful SUITE
        "The report suite has the events and eVars of the file."
        "Adobe does not list the column for this report suite: it is unknown there, or not enabled. What is sent for it may \
                 show in no report."
        "Compare the number with the report suite's settings, or enable the event or eVar there.";
    ColumnDuplicate "column-duplicate" Doubtful NONE
        "A column stands in the header once."
        "Either value may win, or the file may fail."
        "Remove or rename one of the two.";
    NoMetric "no-metric" Fails FORMAT
        "Every row must have at least one metric."
        "A file without a metric column has nothing to add to a report; it fails."
        "Add a metric, such as `Event 1` or `Orders`.";
    NoDimension "no-dimension" Doubtful FORMAT
        "Every row must have at least one dimension."
        "Earlier pages allow totals for a day without any. Adobe does not say which of the two holds."
        "Add a dimension, such as `Evar 1` or `Tracking Code`.";
    CategoryWithoutProduct "category-without-product" Doubtful OLD_COLUMNS
        "Where there is a category, there is a product."
        "Adobe does not say what becomes of the category."
        "Add the column `Product`.";
    FieldCount "field-count" Fails OLD_FAQ
        "Every row has as many tabs as the header."
        "\"The file is not processed due to column mismatch\": the whole file, not the row."
        "Add or remove tabs. A tab or line feed inside a value cannot be expressed.";
    RowTooLong "row-too-long" Fails FORMAT
        "A row has 4096 bytes at most; letters beyond ASCII take two to four."
        "Adobe does not say whether it cuts the row or fails the file."
        "Shorten the values.";
    Semicolon "semicolon" Skips FORMAT
        "No value holds a semicolon."
        "\"Rows that contain semicolons are skipped\": the row is lost, and the job still says success."
        "Put another character in its place.";
    ValueTooLong "value-too-long" Doubtful EVAR
        "The value of an eVar, and a tracking code, has up to 255 bytes; letters beyond ASCII take two to four."
        "Adobe cuts a longer one in tags, so that two values that begin alike become one. That it does so in Data Sources is \
                 inferred."
        "Shorten the value.";
    ProductTooLong "product-too-long" Doubtful PRODUCTS
        "A product and a category have up to 100 bytes each."
        "Adobe cuts a longer one in tags, so that two products become one. That it does so in Data Sources is inferred."
        "Shorten the name.";
    ZipTooLong "zip-too-long" Doubtful ZIP
        "A zip code has up to 50 bytes."
        "Adobe cuts a longer one in tags. That it does so in Data Sources is inferred."
        "Shorten it.";
    ProductDelimiter "product-delimiter" Doubtful PRODUCTS
        "The name of a product holds no comma, bar or semicolon."
        "They separate products and their parts in tags. That they do so in Data Sources is inferred."
        "Put another character in its place.";
    QuotedValue "quoted-value" Doubtful NONE
        "A value has no quotes around it."
        "The format has no quoting, so that `\"Shoes, red\"` is reported with its quotes, beside `Shoes, red` without."
        "Export the file as tab-delimited text without quotes, or remove them.";
    RowWithoutMetric "row-without-metric" Fails FORMAT
        "Every row must have at least one metric."
        "The row has nothing to add to a report. Adobe does not say whether it leaves out the row or fails the file."
        "Give the row a number, or leave it out.";
    RowWithoutDimension "row-without-dimension" Doubtful FORMAT
        "Every row must have at least one dimension."
        "Earlier pages allow totals for a day without any. Adobe does not say which of the two holds."
        "Give the row a value in one of its dimensions.";
    NumberFormat "number-format" Doubtful NONE
        "A number is written `2` or `2.50`, a negative one `-2`."
        "No other form is documented. It may count as something else, or as nothing."
        "Write digits and at most one point, without thousands separators, signs of currency or `%`.";
    PriceFormat "price-format" Doubtful PRODUCTS
        "A `Price` has a decimal point and no currency sign. It is the amount of the whole line, not of one unit."
        "It may count as something else, or as nothing."
        "Write digits and at most one point, such as `59.90` for two units of `29.95`.";
    PriceWithoutProduct "price-without-product" Doubtful REVENUE
        "A row with a `Price` has a `Product`."
        "Adobe sums up revenue over the products of a purchase. Without a product, there is nothing that it belongs to."
        "Name the product in each such row.";
    CounterValue "counter-value" Doubtful EVENTS
        "A counter takes whole numbers, without decimals and currency. Orders, checkouts and cart metrics are counters; \
                 which events are is read from the report suite."
        "Adobe may drop the decimals, or count the row as 1."
        "Write a whole number, or use a numeric or currency event.";
    NegativeAmount "negative-amount" Doubtful FAQ
        "Amounts are not negative, except as a last resort."
        "A negative amount lowers the metric. Each such row still adds an occurrence and takes part in attribution."
        "See whether you mean it. To correct what was sent, it is the only way.";
    TransactionIdTooLong "transaction-id-too-long" Doubtful TRANSACTION
        "The transaction IDs of a row have up to 100 bytes together; a comma separates them."
        "Adobe may cut the value. What is left of an ID is the ID of no visit, so that the row does not find its visit."
        "Shorten the ID, in the file and on the site, or put fewer of them into one row.";
    DateMissing "date-missing" Fails OLD_REQUIREMENTS
        "Every row has a date."
        "If a row does not include a date, Adobe rejects the file."
        "Fill in the date.";
    DateFormat "date-format" Fails FORMAT
        "A date is `MM/DD/YYYY`, or `MM/DD/YYYY/HH/mm/SS`."
        "The file fails. Forms of spreadsheets and ERP systems, such as `20261120`, `20-Nov-2026` or `46346`, are others."
        "Write the date like 11/20/2026 or 11/20/2026/14/05/00.";
    DateNotPadded "date-not-padded" Doubtful FORMAT
        "Month, day and time have two digits each."
        "Adobe's earlier samples were written like 1/2/2026; its file format is not."
        "Write the zeros: 01/02/2026.";
    DateImpossible "date-impossible" Fails FORMAT
        "A date is a day of the calendar, a time one of the clock."
        "The file fails."
        "Correct the date; the month comes first.";
    DateDayFirst "date-day-first" Fails FORMAT
        "The month comes before the day."
        "The file fails at the first date with a day over 12. If only some rows have such a day, Adobe may take the \
                 others for other days."
        "Write all dates of the file with the month first.";
    DateFuture "date-future" Fails OLD_REQUIREMENTS
        "\"Only data with current or past dates can be imported.\""
        "The file fails. A day begins in the time zone of the report suite, where that is known."
        "Correct the date, or send the row when its day has begun.";
    DateTomorrow "date-tomorrow" Doubtful OLD_REQUIREMENTS
        "\"Only data with current or past dates can be imported.\""
        "The day has not begun here. It may have begun in the time zone of the report suite, which is what counts."
        "Compare with the zone of the report suite.";
    DateOld "date-old" Doubtful RETENTION
        "Adobe keeps data for 25 months, unless your contract says otherwise."
        "What is older may be deleted at once, or may already lack the data that it would be added to."
        "Check the date. If it is right, ask Adobe how long your report suite keeps data.";
    TooManyDays "too-many-days" Fails FORMAT
        "A file has up to 90 different days."
        "The upload fails: \"you have exceeded the maximum unique days\"."
        "Split the file by days.";
    NoRows "no-rows" Doubtful NONE
        "There is at least one row of data."
        "The file adds nothing. Adobe does not say whether it succeeds with 0 rows or fails."
        "Leave the file out.";
}

impl Code {
    /// Reads a rule's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// Returns the rule with the most similar word.
    #[must_use]
    pub fn like(word: &str) -> Option<Self> {
        let distance = |code: &Self| strsim::damerau_levenshtein(word, code.as_str());
        let nearest = Self::ALL.iter().copied().min_by_key(distance)?;
        (word.len() < 60 && distance(&nearest) * 3 <= word.len()).then_some(nearest)
    }

    /// The effect at Adobe.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.rule().severity
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_word_of_its_own_and_says_everything() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            let word = code.as_str();
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()), "{word}");
            assert_eq!(Code::from_word(word), Some(*code));
            let rule = code.rule();
            for text in [rule.says, rule.effect, rule.remedy] {
                assert!(text.ends_with(['.', '"', ')']), "{word}: {text}");
            }
            assert!(!rule.source.is_empty() && !rule.source.starts_with('/'), "{word}");
            assert!(rule.source != NONE || rule.severity == Severity::Doubtful, "{word}: who says so?");
        }
    }

    #[test]
    fn a_word_that_is_almost_right_is_recognised() {
        assert_eq!(Code::like("semicolons"), Some(Code::Semicolon));
        assert_eq!(Code::like("field-cuont"), Some(Code::FieldCount));
        assert_eq!(Code::like("xyz"), None);
        assert_eq!(Code::like(""), None);
    }

    #[test]
    fn the_worst_comes_last() {
        assert!(Severity::Doubtful < Severity::Skips && Severity::Skips < Severity::Fails);
    }
}
