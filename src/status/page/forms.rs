//! What forms hold, and what of it is taken. Pure.

use super::route::Route;

/// Maximum number of characters of an operator's name.
const LONGEST_NAME: usize = 32;

/// The fields of a form.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field that makes sense once only; empty if it is not there.
    pub(super) fn one(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None | Some(_), _) => "",
        }
    }
}

/// Returns the name under which an operator stands in the history; `None` if it is none. One word, so that nobody can write
/// more into the history than a name.
pub(super) fn operator_name(given: &str) -> Option<String> {
    let name = given.trim();
    let is_good = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    let is_name = !name.is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(is_good);
    is_name.then(|| name.to_owned())
}

/// Returns where to go after a log-in: a page of ours, whatever the form says.
pub(super) fn page_of_ours(to: &str) -> String {
    let (path, query) = to.split_once('?').unwrap_or((to, ""));
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let is_ours = is_plain && Route::parse(path, query).is_ok_and(|route| route.is_page() && route.form().is_none());
    if is_ours { to.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_that_comes_twice_is_none() {
        let fields = Fields::parse(b"name=anna+b&token=a%26b&empty=&twice=1&twice=2&=x&%zz");
        assert_eq!([fields.one("name"), fields.one("token"), fields.one("empty")], ["anna b", "a&b", ""]);
        assert_eq!([fields.one("twice"), fields.one("nothing")], ["", ""]);
    }

    #[test]
    fn a_name_is_one_word() {
        for name in ["anna", " anna.b ", "anna@example.com", "Zoë", "日本"] {
            assert_eq!(operator_name(name).as_deref(), Some(name.trim()));
        }
        let long = "x".repeat(33);
        for name in ["", " ", "anna b", "<b>", "a\nb", "a\u{202e}b", "anna;", long.as_str()] {
            assert_eq!(operator_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn after_a_log_in_nobody_is_led_elsewhere() {
        for page in ["/", "/jobs?state=held&name=a%26b", "/jobs/17", "/act?verb=hold&job=3"] {
            assert_eq!(page_of_ours(page), page);
        }
        for elsewhere in [
            "",
            "//evil.example.com",
            "https://evil.example.com/",
            "/\\evil",
            "/jobs?state=x",
            "/logout",
            "/metrics",
            "/#a",
            "/ ",
            "/jobs?name=a\r\nset-cookie: a=b",
        ] {
            assert_eq!(page_of_ours(elsewhere), "/", "{elsewhere}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_and_leads_to_a_page_of_ours(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let fields = Fields::parse(&body);
            let to = page_of_ours(fields.one("to"));
            prop_assert!(to.starts_with('/') && !to.starts_with("//"), "{to}");
            if let Some(name) = operator_name(&String::from_utf8_lossy(&body)) {
                prop_assert!(!name.contains([' ', '<', '\n', '"']), "{}", name);
            }
        }
    }
}
