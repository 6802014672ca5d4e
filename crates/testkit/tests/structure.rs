//! The structure of the source tree: within a crate no files import each other in a circle, and no file is long.
//!
//! The test reads tokens, not text: comments and strings import nothing. Code under `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Lines that a file may have, its unit tests included.
const LINES_MAX: usize = 400;

/// A module that is a file, such as `listener::accept`. The root of the crate is empty.
type Module = Vec<String>;

/// The files of a crate, each with its source text.
type Files = BTreeMap<Module, String>;

/// The files that each file imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// The paths that a file names, as absolute paths within its crate, and its modules that only tests have.
#[derive(Default)]
struct Named {
    paths: Vec<Module>,
    test_modules: Vec<Module>,
}

impl Named {
    fn of(module: &Module, source: &str) -> Self {
        let mut named = Self::default();
        let tokens = source.parse().unwrap_or_else(|error| panic!("{module:?}: {error}"));
        named.read(tokens, module);
        named
    }

    fn read(&mut self, tokens: TokenStream, here: &Module) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at += match &tokens[at..] {
                [TokenTree::Punct(hash), TokenTree::Group(attribute), item @ ..]
                    if hash.as_char() == '#' && is_for_tests(&attribute.stream()) =>
                {
                    2 + self.skip_item(item, here)
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if word == "mod" =>
                {
                    let inner = [&here[..], &[name.to_string()]].concat();
                    self.read(body.stream(), &inner);
                    3
                }
                [TokenTree::Ident(word), TokenTree::Group(scope), ..]
                    if word == "pub" && scope.delimiter() == Delimiter::Parenthesis =>
                {
                    2
                }
                [TokenTree::Ident(word), tree @ ..] if word == "use" => {
                    let length = tree.iter().take_while(|token| !is_mark(token, ';')).count();
                    self.read_use(&tree[..length], &[], here);
                    1 + length
                }
                [TokenTree::Ident(_), ..] => {
                    let (path, length) = path_at(&tokens[at..]);
                    if path.len() > 1 && !(at > 0 && is_mark(&tokens[at - 1], ':')) {
                        self.paths.extend(absolute(&path, here));
                    }
                    length
                }
                [TokenTree::Group(group), ..] => {
                    self.read(group.stream(), here);
                    1
                }
                _ => 1,
            };
        }
    }

    /// Reads a tree such as `a::{b, c::d as e}`, whose paths begin with `prefix`.
    fn read_use(&mut self, tree: &[TokenTree], prefix: &[String], here: &Module) {
        for branch in tree.split(|token| is_mark(token, ',')) {
            let (path, length) = path_at(branch);
            let path = [prefix, &path].concat();
            match branch[length..].iter().find_map(as_group) {
                Some(inner) => {
                    let inner: Vec<TokenTree> = inner.into_iter().collect();
                    self.read_use(&inner, &path, here);
                }
                None => self.paths.extend(absolute(&path, here)),
            }
        }
    }

    /// The length of an item that only tests have.
    fn skip_item(&mut self, item: &[TokenTree], here: &Module) -> usize {
        let is_end = |token: &TokenTree| is_mark(token, ';') || is_braced(token);
        let length = item.iter().position(is_end).map_or(item.len(), |end| end + 1);
        if let [TokenTree::Ident(word), TokenTree::Ident(name), ..] = item
            && word == "mod"
        {
            self.test_modules.push([&here[..], &[name.to_string()]].concat());
        }
        length
    }
}

fn is_for_tests(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    text.starts_with("cfg") && text.contains("test") && !text.contains("not")
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_braced(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn as_group(token: &TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    }
}

/// The path that some tokens begin with, and how many of them it takes, a `::` at its end included.
fn path_at(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let (mut path, mut at) = (Vec::new(), 0);
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(name.to_string());
        at += 1;
        if !matches!(&tokens[at..], [one, other, ..] if is_mark(one, ':') && is_mark(other, ':')) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// A path from the root of the crate. One that begins with another name is taken as relative; it may lead nowhere.
fn absolute(path: &[String], here: &Module) -> Option<Module> {
    let first = path.first()?.as_str();
    let supers = path.iter().take_while(|name| *name == "super").count();
    Some(match first {
        "crate" => path[1..].to_vec(),
        "self" => [here, &path[1..]].concat(),
        "super" => [here.get(..here.len().checked_sub(supers)?)?, &path[supers..]].concat(),
        _ => [here, path].concat(),
    })
}

/// Which files of a crate import which.
fn imports(mut files: Files) -> Imports {
    let mut named: BTreeMap<Module, Named> =
        files.iter().map(|(module, source)| (module.clone(), Named::of(module, source))).collect();
    let for_tests: Vec<Module> = named.values().flat_map(|it| it.test_modules.clone()).collect();
    files.retain(|module, _| !for_tests.iter().any(|test| module.starts_with(test)));
    named.retain(|module, _| files.contains_key(module));
    let file_of = |path: &Module| {
        let mut path = &path[..];
        while !files.contains_key(path) {
            path = &path[..path.len() - 1];
        }
        path.to_vec()
    };
    let of_module = |(module, named): (Module, Named)| {
        let imported = named.paths.iter().map(file_of).filter(|other| *other != module);
        (module.clone(), imported.collect())
    };
    named.into_iter().map(of_module).collect()
}

/// The shortest circle through each module, such as `a -> b -> a`; each circle once.
fn circles(imports: &Imports) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let through = imports.keys().filter_map(|module| shortest_circle(imports, module));
    let new = through.filter(|circle| seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>()));
    let name = |module: &Module| {
        if module.is_empty() { "the root".to_owned() } else { module.join("::") }
    };
    new.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(" -> ")).collect()
}

fn shortest_circle(imports: &Imports, from: &Module) -> Option<Vec<Module>> {
    let mut came_from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(module) = queue.pop_front() {
        for next in &imports[module] {
            if next == from {
                let mut circle = vec![from.clone()];
                let mut back = module;
                while back != from {
                    circle.push(back.clone());
                    back = came_from[back];
                }
                circle.push(from.clone());
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

/// All Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

fn crates() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of all crates");
    let mut crates: Vec<PathBuf> =
        fs::read_dir(folder).expect("crates").map(|entry| entry.expect("a crate").path()).collect();
    crates.sort();
    crates
}

/// The files of a crate by the modules that they are.
fn files_of(folder: &Path) -> Files {
    let source = folder.join("src");
    let module = |path: &Path| {
        let path = path.strip_prefix(&source).expect("a file below").with_extension("");
        let mut names: Module =
            path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            names.pop();
        }
        names
    };
    let mut files = Files::new();
    for path in rust_files(&source) {
        // A binary beside a library imports it by its name.
        if path.ends_with("src/main.rs") && source.join("lib.rs").exists() {
            continue;
        }
        files.insert(module(&path), fs::read_to_string(&path).expect("a source file"));
    }
    files
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in crates() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let circles = circles(&imports(files_of(&folder)));
        found.extend(circles.into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "{} circles of files:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_file_is_long() {
    let count = |path: &PathBuf| fs::read_to_string(path).expect("a file").lines().count();
    let files = crates().into_iter().flat_map(|folder| rust_files(&folder));
    let long = files.map(|path| (count(&path), path)).filter(|(lines, _)| *lines > LINES_MAX);
    let long: Vec<String> =
        long.map(|(lines, path)| format!("{}: {lines} lines", path.display())).collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines:\n{}", long.join("\n"));
}

fn example(files: &[(&str, &str)]) -> Imports {
    let names =
        |path: &str| path.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect();
    imports(files.iter().map(|(path, text)| (names(path), (*text).to_owned())).collect())
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    circles(&example(files)).into_iter().collect()
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    for import in [
        "use crate::b::X;",
        "use super::b;",
        "use super::{c::Y, b::{self, X as Z}};",
        "fn f() { if true { crate::b::f() } }",
        "fn f() { println!(\"{}\", super::b::f()); }",
        "mod inner { use super::super::b::X; }",
        "impl crate::b::X { fn f(it: &super::b::Y) {} }",
    ] {
        let files = [("", "mod a; mod b; mod c;"), ("a", import), ("b", "use crate::a::A;")];
        assert_eq!(circles_of(&[&files[..], &[("c", "")]].concat()), ["a -> b -> a"], "{import}");
    }
}

#[test]
fn a_circle_through_the_root_or_a_parent_is_found() {
    let through_root = [("", "pub use a::A; mod a;"), ("a", "use crate::Config;")];
    assert_eq!(circles_of(&through_root), ["the root -> a -> the root"]);
    let parent = [("", ""), ("p", "fn f() { c::run() }"), ("p::c", "use super::LIMIT;")];
    assert_eq!(circles_of(&parent), ["p -> p::c -> p"]);
    let long = [("", ""), ("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "use crate::a;")];
    assert_eq!(circles_of(&long), ["a -> b -> c -> a"]);
}

#[test]
fn text_that_is_no_import_makes_no_circle() {
    for nothing in [
        "// use crate::b::X;",
        "/// See [`crate::b::X`].\nfn f() {}",
        "const TEXT: &str = \"crate::b::X\";",
        "#[cfg(test)] mod tests { use super::super::b::X; }",
        "#[cfg(test)] #[allow(unused)] use crate::b::X; fn f() {}",
        "pub(in crate::b) struct X;",
        "use ::b::X; use other::b::X;",
    ] {
        let files = [("", "mod a; mod b;"), ("a", nothing), ("b", "use crate::a::A;")];
        assert_eq!(circles_of(&files), [""; 0], "{nothing}");
    }
    let tests = [("", ""), ("a", "#[cfg(test)] mod said;"), ("a::said", "use super::*;")];
    assert!(circles_of(&tests).is_empty());
}
