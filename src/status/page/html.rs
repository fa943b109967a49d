//! Markup in the making. Text becomes markup here and nowhere else, and only what stands in our own sources is taken as it
//! is: a name may be anything, `<script>` included.

use crate::status::printable;

/// A piece of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// An attribute's name, and its value as a text.
pub(super) type Attribute<'a> = (&'static str, &'a str);

impl Html {
    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// A text of whatever origin; control characters are shown, not sent.
    pub(super) fn text(&mut self, text: &str) {
        escape(&mut self.0, &printable(text));
    }

    /// An element and what is in it.
    pub(super) fn element(&mut self, name: &'static str, attributes: &[Attribute<'_>], inner: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        self.0.push('>');
        inner(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element with a text in it.
    pub(super) fn say(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that has nothing in it.
    pub(super) fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.open(name, attributes);
        self.0.push_str("/>");
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(&mut self.0, &printable(value));
            self.0.push('"');
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

fn escape(into: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            character => into.push(character),
        }
    }
}

/// A path of ours with query parameters; empty ones are left out.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_never_markup() {
        let mut html = Html::default();
        html.say("a", &[("href", "\"><script>")], "<script>alert('1')</script>.txt");
        assert_eq!(
            html.into_string(),
            "<a href=\"&quot;&gt;&lt;script&gt;\">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;.txt</a>"
        );
    }

    #[test]
    fn control_characters_are_shown_and_other_scripts_are_kept() {
        let mut html = Html::default();
        html.text("日本\u{202e}\n\0.txt");
        assert_eq!(html.into_string(), "日本\\u{202e}\\n\\u{0}.txt");
    }

    #[test]
    fn links_carry_any_name() {
        assert_eq!(link("/jobs", &[("account", ""), ("name", "a&b=日.txt")]), "/jobs?name=a%26b%3D%E6%97%A5.txt");
        assert_eq!(link("/jobs", &[("name", "")]), "/jobs");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_leaves_its_element(text in "\\PC*|[<>&\"'/a-z\\n]*") {
            let mut html = Html::default();
            html.say("p", &[("title", &text)], &text);
            let markup = html.into_string();
            prop_assert_eq!(markup.matches('<').count(), 2);
            prop_assert_eq!(markup.matches('>').count(), 2);
            prop_assert_eq!(markup.matches('"').count(), 2);
        }
    }
}
