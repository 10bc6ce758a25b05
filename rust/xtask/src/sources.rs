//! The mirrors of Debian that this machine uses, read from its own apt sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder of apt's settings.
const APT: &str = "/etc/apt";
/// Names of suites that every release of Debian goes by in turn.
const ROLES: [&str; 4] = ["stable", "testing", "unstable", "sid"];

/// A place that has the packages of the distribution itself, as far as its entry tells; whether
/// it is Debian's, its signature tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    uri: String,
    /// The keyring, where the entry names one.
    signed_by: Option<String>,
}

impl Mirror {
    /// The line of a `sources.list` for a suite of this mirror.
    pub(crate) fn entry(&self, suite: &str, architecture: &str) -> String {
        let signed_by = self.signed_by.iter().map(|key| format!(" signed-by={key}"));
        let options: String = signed_by.collect();
        format!("deb [arch={architecture}{options}] {} {suite} main\n", self.uri)
    }
}

/// The mirrors that have the main packages of this distribution.
pub(crate) fn mirrors() -> Result<Vec<Mirror>> {
    let suites = own_suites()?;
    let mut mirrors = Vec::new();
    for file in source_files() {
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        let entries = match file.extension().is_some_and(|extension| extension == "sources") {
            true => paragraphs(&text),
            false => text.lines().filter_map(one_line).collect(),
        };
        mirrors.extend(entries.iter().flat_map(|entry| entry.mirrors(&suites)));
    }
    mirrors.dedup();
    Ok(mirrors)
}

fn source_files() -> Vec<PathBuf> {
    let parts = fs::read_dir(Path::new(APT).join("sources.list.d")).into_iter().flatten();
    let parts = parts.filter_map(|entry| Some(entry.ok()?.path()));
    let is_source = |file: &PathBuf| {
        file.is_file() && file.extension().is_some_and(|e| e == "list" || e == "sources")
    };
    let mut files: Vec<_> =
        [Path::new(APT).join("sources.list")].into_iter().chain(parts).filter(is_source).collect();
    files.sort();
    files
}

/// The suites that a mirror of the distribution itself would have, from `/etc/os-release`.
fn own_suites() -> Result<Vec<String>> {
    let release = fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    let codenames = release.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        ["VERSION_CODENAME", "DEBIAN_CODENAME"].contains(&key).then(|| value.trim_matches('"'))
    });
    Ok(codenames.chain(ROLES).map(str::to_owned).collect())
}

/// What both formats of apt's sources say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    types: Vec<String>,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
    disabled: bool,
}

impl Entry {
    fn mirrors(&self, own_suites: &[String]) -> Vec<Mirror> {
        let has = |list: &[String], wanted: &str| list.iter().any(|item| item == wanted);
        let is_own = !self.disabled
            && has(&self.types, "deb")
            && has(&self.components, "main")
            && own_suites.iter().any(|suite| has(&self.suites, suite));
        let uris = self.uris.iter().filter(|_| is_own);
        uris.map(|uri| Mirror { uri: uri.clone(), signed_by: self.signed_by.clone() }).collect()
    }
}

/// `deb [signed-by=/key.gpg] http://mirror/debian suite component…`
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let (kind, rest) = line.split_once(char::is_whitespace)?;
    let (options, rest) = match rest.trim_start().strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="));
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        types: vec![kind.to_owned()],
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: signed_by.map(str::to_owned),
        disabled: false,
    })
}

/// The paragraphs of a `.sources` file (deb822).
fn paragraphs(text: &str) -> Vec<Entry> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    lines.split(|line| line.trim().is_empty()).map(paragraph).collect()
}

fn paragraph(lines: &[&str]) -> Entry {
    let mut entry = Entry::default();
    let mut field = String::new();
    for line in lines {
        let value = match line.split_once(':') {
            Some((name, value)) if !line.starts_with([' ', '\t']) => {
                field = name.to_ascii_lowercase();
                value
            }
            _ => line,
        };
        let words = value.split_whitespace().map(str::to_owned);
        match field.as_str() {
            "types" => entry.types.extend(words),
            "uris" => entry.uris.extend(words),
            "suites" => entry.suites.extend(words),
            "components" => entry.components.extend(words),
            // A key may also stand here itself; then apt's own keyrings have to do.
            "signed-by" if value.trim().starts_with('/') => {
                entry.signed_by = Some(value.trim().to_owned());
            }
            "enabled" => entry.disabled = value.trim() == "no",
            _ => {}
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entries: &[Entry], expected: &[(&str, Option<&str>)]) {
        let suites = ["bookworm".to_owned(), "stable".to_owned()];
        let found: Vec<_> = entries.iter().flat_map(|entry| entry.mirrors(&suites)).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(uri, key)| Mirror { uri: (*uri).to_owned(), signed_by: key.map(str::to_owned) })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paragraphs_with_the_own_suite_count() {
        let text = "\
Types: deb deb-src
# a remark
URIs: http://mirror.example/debian
  http://other.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
";
        let key = Some("/usr/share/keyrings/debian.gpg");
        let expected =
            [("http://mirror.example/debian", key), ("http://other.example/debian", key)];
        check(&paragraphs(text), &expected);
    }

    #[test]
    fn a_key_within_the_paragraph_is_not_a_keyring() {
        let text = "\
Types: deb
URIs: http://mirror.example/debian
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF/word
 -----END PGP PUBLIC KEY BLOCK-----
";
        check(&paragraphs(text), &[("http://mirror.example/debian", None)]);
    }

    #[test]
    fn lines_with_the_own_suite_count() {
        let text = "\
# deb http://remark.example/debian bookworm main
deb http://mirror.example/debian bookworm main non-free # the usual one
deb [arch=amd64 signed-by=/key.gpg] http://signed.example/debian/ stable main
deb-src http://sources.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
deb https://elsewhere.example/linux/debian bookworm stable
deb http://flat.example/ ./
";
        let entries: Vec<_> = text.lines().filter_map(one_line).collect();
        let expected = [
            ("http://mirror.example/debian", None),
            ("http://signed.example/debian/", Some("/key.gpg")),
        ];
        check(&entries, &expected);
    }

    #[test]
    fn the_entry_for_another_suite_keeps_the_keyring() {
        let mut mirror = Mirror { uri: "http://mirror.example/debian".to_owned(), signed_by: None };
        let entry = mirror.entry("forky", "amd64");
        assert_eq!(entry, "deb [arch=amd64] http://mirror.example/debian forky main\n");
        mirror.signed_by = Some("/key.gpg".to_owned());
        assert!(mirror.entry("forky", "arm64").starts_with("deb [arch=arm64 signed-by=/key.gpg] "));
    }
}
