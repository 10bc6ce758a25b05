//! Copies of folders and of files that may be in use.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Makes `target` hold what `source` holds, and nothing else but the engine's notes on it and the
/// top-level entries named in `apart`, which are left alone. Files that are equal already keep their time of change, so that
/// the engine does not import them again.
pub(crate) fn mirror(source: &Path, target: &Path, apart: &[&str]) -> Result<()> {
    mirror_folder(source, target, apart)
        .with_context(|| format!("copying {} to {}", source.display(), target.display()))
}

fn mirror_folder(source: &Path, target: &Path, apart: &[&str]) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let wanted = names_in(source, apart)?;
    let is_gone = |name: &&OsString| !wanted.contains(*name) && !is_note_on_one_of(name, &wanted);
    for name in names_in(target, apart)?.iter().filter(is_gone) {
        remove(&target.join(name))?;
    }
    for name in &wanted {
        let (from, to) = (source.join(name), target.join(name));
        if from.is_dir() {
            mirror_folder(&from, &to, &[])?;
        } else if fs::read(&from)? != fs::read(&to).unwrap_or_default() || !to.exists() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// The engine keeps notes beside the files it has seen.
fn is_note_on_one_of(name: &OsStr, files: &BTreeSet<OsString>) -> bool {
    let name = Path::new(name);
    let is_note = name.extension().is_some_and(|kind| kind == "uid" || kind == "import");
    is_note && name.file_stem().is_some_and(|file| files.contains(file))
}

fn names_in(folder: &Path, apart: &[&str]) -> io::Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let is_apart = |name: &OsString| apart.iter().any(|other| name == other);
    names.filter(|name| !name.as_ref().is_ok_and(is_apart)).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Replaces `target` by a copy of `source` in one step: a library that is loaded must never be
/// overwritten in place.
pub(crate) fn replace(source: &Path, target: &Path) -> Result<()> {
    let temporary = target.with_added_extension("new");
    let copy = || -> io::Result<()> {
        target.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(source, &temporary)?;
        fs::rename(&temporary, target)
    };
    copy().with_context(|| format!("copying {} to {}", source.display(), target.display()))
}
