//! A file can be read once those are known that it imports from, so there must be a first one: no files import each other in a
//! circle, also not by way of what a room shows as its own.

use super::tokens::Token;
use super::{Source, assert_none, sources};
use std::collections::{BTreeMap, BTreeSet};

/// A module or what is in one, from the crate's root.
type Path = Vec<String>;

/// The module of a file: `src/adobe/mod.rs` is `[adobe]`.
fn module_of(source: &Source) -> Path {
    let path = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !["mod", "lib"].contains(part)).map(str::to_owned).collect()
}

/// The words of a path as it is written, and the position behind it.
fn path_at(tokens: &[Token], mut at: usize) -> (Path, usize) {
    let mut path = Path::new();
    while tokens.get(at).is_some_and(Token::is_word) {
        path.push(tokens[at].text.clone());
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    (path, at)
}

/// The paths of a `use`, from behind the word to its end.
fn paths_of_use(tokens: &[Token], at: usize, prefix: &Path, found: &mut Vec<Path>) -> usize {
    let (path, mut at) = path_at(tokens, at);
    let whole: Path = prefix.iter().cloned().chain(path).collect();
    if tokens.get(at).is_some_and(|token| token.is("{")) {
        at += 1;
        while !tokens.get(at).is_none_or(|token| token.is("}")) {
            at = paths_of_use(tokens, at, &whole, found);
            at += usize::from(tokens.get(at).is_some_and(|token| token.is(",")));
        }
        return at + 1;
    }
    found.push(whole);
    // What `*` stands for, and another name given with `as`, say nothing of where it comes from.
    while tokens.get(at).is_some_and(|token| [",", "}", ";"].iter().all(|end| !token.is(end))) {
        at += 1;
    }
    at
}

/// What a file takes from others, and what it only shows as its own.
#[derive(Default)]
struct Names {
    taken: Vec<Path>,
    shown: Vec<Path>,
}

fn names_in(source: &Source) -> Names {
    let (tokens, module) = (&source.tokens, module_of(source));
    let mut names = Names::default();
    let mut at = 0;
    while at < tokens.len() {
        let before = |steps: usize| at.checked_sub(steps).map(|at| &tokens[at]);
        // `pub(super)` and `pub(in crate::cli)` take nothing from there.
        let is_of_visibility = before(1).is_some_and(|token| token.is("in") || token.is("("))
            && (before(2).is_some_and(|token| token.is("pub")) || before(3).is_some_and(|token| token.is("pub")));
        if tokens[at].is("use") {
            let is_shown = before(1).is_some_and(|token| token.is("pub") || token.is(")"));
            let mut found = Vec::new();
            at = paths_of_use(tokens, at + 1, &Path::new(), &mut found);
            let found = found.iter().filter_map(|path| from_root(path, &module));
            if is_shown { names.shown.extend(found) } else { names.taken.extend(found) }
        } else if (tokens[at].is("crate") || tokens[at].is("super")) && !is_of_visibility {
            let (path, behind) = path_at(tokens, at);
            names.taken.extend(from_root(&path, &module));
            at = behind.max(at + 1);
        } else {
            at += 1;
        }
    }
    names
}

/// A path as a file writes it, from the crate's root. One that begins with another word may be that of a module below.
fn from_root(path: &Path, module: &Path) -> Option<Path> {
    let up = path.iter().take_while(|word| *word == "super").count();
    let (from, rest) = match path.first()?.as_str() {
        "crate" => (&module[..0], &path[1..]),
        "self" => (&module[..], &path[1..]),
        _ => (module.get(..module.len().checked_sub(up)?)?, &path[up..]),
    };
    Some(from.iter().chain(rest).cloned().collect())
}

/// The file that something comes from, through all the modules that show it as theirs.
fn origin(path: &Path, all: &BTreeMap<Path, Names>) -> Path {
    let depth = (0..=path.len()).rev().find(|depth| all.contains_key(&path[..*depth])).unwrap_or_default();
    let (module, rest) = path.split_at(depth);
    let shown = |shown: &&Path| shown.last() == rest.first() && shown.as_slice() != path.as_slice();
    match all[module].shown.iter().find(shown) {
        Some(shown) if !rest.is_empty() => origin(shown, all),
        Some(_) | None => module.to_vec(),
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let all: BTreeMap<Path, Names> = sources().iter().map(|source| (module_of(source), names_in(source))).collect();
    let mut imports: BTreeMap<&Path, BTreeSet<Path>> = BTreeMap::new();
    for (module, names) in &all {
        let others = names.taken.iter().map(|path| origin(path, &all));
        imports.insert(module, others.filter(|other| other != module && !other.is_empty()).collect());
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 1000, "imports are found at all");
    while let Some(file) = imports
        .iter()
        .find(|(_, others)| !others.iter().any(|other| imports.contains_key(other)))
        .map(|(file, _)| *file)
    {
        imports.remove(file);
    }
    // From any file that is left, a way along what is left comes round in the end.
    let mut way: Vec<&Path> = imports.keys().take(1).copied().collect();
    while let Some((next, _)) = way.last().and_then(|last| {
        let next = imports[last].iter().find_map(|other| imports.get_key_value(other))?;
        (way.iter().filter(|been| *been == next.0).count() < 2).then_some(next)
    }) {
        way.push(next);
    }
    let breaches: Vec<String> = way.iter().map(|file| file.join("/")).collect();
    assert_none("what files share lies below them; each of these imports the next", &breaches);
}
