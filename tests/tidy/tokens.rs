//! Just enough of Rust's grammar to read sources without their comments, texts and tests.

/// A word or a sign, and the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c == '_' || c.is_alphabetic())
    }
}

/// Reads a source: words, numbers, `::`, and every other sign by itself. Comments and literals are left out; a string
/// leaves an empty token, so that what stood on both sides of it does not become neighbours.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut found = Vec::new();
    let (mut here, mut line) = (0, 1);
    while here < chars.len() {
        let start = here;
        let begun = line;
        let text = match at(here) {
            '/' if at(here + 1) == '/' => {
                while here < chars.len() && at(here) != '\n' {
                    here += 1;
                }
                None
            }
            '/' if at(here + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(here), at(here + 1)) {
                        ('/', '*') => (depth, here) = (depth + 1, here + 2),
                        ('*', '/') => (depth, here) = (depth - 1, here + 2),
                        _ => here += 1,
                    }
                    if depth == 0 || here >= chars.len() {
                        break None;
                    }
                }
            }
            '"' => {
                here = string_end(&chars, here);
                Some(String::new())
            }
            '\'' if at(here + 1) == '\\' || at(here + 2) == '\'' => {
                // A character; anything else after a tick is a lifetime.
                here += if at(here + 1) == '\\' { 3 } else { 2 };
                while here < chars.len() && at(here) != '\'' {
                    here += 1;
                }
                here += 1;
                Some(String::new())
            }
            c if is_word(c) => {
                while is_word(at(here)) {
                    here += 1;
                }
                let word: String = chars[start..here].iter().collect();
                let hashes = (here..chars.len()).take_while(|&index| at(index) == '#').count();
                if word.ends_with('r') && word.len() <= 2 && at(here + hashes) == '"' {
                    here = raw_string_end(&chars, here + hashes + 1, hashes);
                    Some(String::new())
                } else {
                    Some(word)
                }
            }
            ':' if at(here + 1) == ':' => {
                here += 2;
                Some("::".to_owned())
            }
            c => {
                here += 1;
                (!c.is_whitespace()).then(|| c.to_string())
            }
        };
        line += chars[start..here.min(chars.len())].iter().filter(|&&c| c == '\n').count();
        found.extend(text.map(|text| Token { text, line: begun }));
    }
    found
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut here = start + 1;
    while here < chars.len() && chars[here] != '"' {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    here + 1
}

fn raw_string_end(chars: &[char], start: usize, hashes: usize) -> usize {
    let closes = |here: usize| {
        chars[here] == '"' && chars[here + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    (start..chars.len()).find(|&here| closes(here)).map_or(chars.len(), |here| here + 1 + hashes)
}

/// Takes out every item under `#[cfg(test)]`; names the modules of test code that lie in files of their own.
pub fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let starts = |here: usize| {
        let rest = &tokens[here..];
        rest.len() >= CFG_TEST.len() && rest.iter().zip(CFG_TEST).all(|(token, text)| token.is(text))
    };
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut here = 0;
    while here < tokens.len() {
        if !starts(here) {
            kept.push(tokens[here].clone());
            here += 1;
            continue;
        }
        here += CFG_TEST.len();
        let item = here;
        // A member of a struct ends with its comma.
        let is_member = tokens.get(item + 1).is_some_and(|token| token.is(":"));
        let mut depth = 0_i32;
        while let Some(token) = tokens.get(here) {
            here += 1;
            match token.text.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && (token.is(";") || token.is("}") || is_member && token.is(",")) {
                break;
            }
        }
        if let [.., keyword, name, end] = &tokens[item..here]
            && keyword.is("mod")
            && end.is(";")
        {
            modules.push(name.text.clone());
        }
    }
    (kept, modules)
}

#[test]
fn comments_texts_and_tests_are_left_out() {
    let source = r##"
        //! use rusqlite::Connection;
        use a::b; // c
        /* d /* e */ f */
        const T: &str = "g \" h"; const R: &str = r#"i " j"#;
        fn k<'a>(l: &'a str) -> char { '{' }
        #[cfg(test)]
        mod tests { fn m() { n("}") } }
        #[cfg(test)]
        mod apart;
        #[cfg(test)]
        pub(crate) mod shown;
        struct S {
            #[cfg(test)]
            t: u,
        }
        fn o() {}
    "##;
    let (kept, modules) = without_tests(&tokens(source));
    let words: Vec<&str> = kept.iter().filter(|token| token.is_word()).map(|token| token.text.as_str()).collect();
    assert_eq!(
        words,
        [
            "use", "a", "b", "const", "T", "str", "const", "R", "str", "fn", "k", "a", "l", "a", "str", "char",
            "struct", "S", "fn", "o"
        ]
    );
    assert_eq!(modules, ["apart", "shown"]);
    assert_eq!(kept.iter().find(|token| token.is("k")).unwrap().line, 6);
}
