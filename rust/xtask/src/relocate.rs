//! Makes programs and libraries that were unpacked into a folder of their own find each other there
//! rather than what the system has under the same names.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::report::Echo;
use crate::run;

/// Library folders, inside the main one, that some libraries look into.
const FOLDERS: [&str; 3] = ["pulseaudio", "blas", "lapack"];
/// How long it may take to change one file.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes `programs` in `root` use the loader and the libraries in `root`.
pub(crate) fn relocate(root: &Path, programs: &[&str]) -> Result<()> {
    let libraries = libraries(root)?;
    let mut path = libraries.as_os_str().to_owned();
    for folder in FOLDERS {
        path.push(":");
        path.push(libraries.join(folder));
    }
    for name in programs {
        let program = root.join("usr/bin").join(name);
        let loader = patchelf(&["--print-interpreter".as_ref()], &program)?;
        let loader = Path::new(&loader).file_name().context("the program names no loader")?;
        patchelf(&["--set-interpreter".as_ref(), libraries.join(loader).as_ref()], &program)?;
        look_into(&path, &program)?;
    }
    for library in files_in(&libraries)? {
        // A library that names folders itself would look only into those of the system.
        if !patchelf(&["--print-rpath".as_ref()], &library)?.is_empty() {
            look_into(&path, &library)?;
        }
    }
    Ok(())
}

/// The one folder that is named after the machine, such as `usr/lib/x86_64-linux-gnu`.
fn libraries(root: &Path) -> Result<PathBuf> {
    let folders = fs::read_dir(root.join("usr/lib"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_named_after_machine =
        |folder: &PathBuf| folder.to_string_lossy().contains("-linux-gnu") && folder.is_dir();
    folders.into_iter().find(is_named_after_machine).context("the packages hold no libraries")
}

/// The libraries themselves, without the links to them.
fn files_in(libraries: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(libraries)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().contains(".so") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// `DT_RPATH` rather than `DT_RUNPATH`: it holds for what the libraries load in their turn.
fn look_into(path: &OsStr, file: &Path) -> Result<()> {
    patchelf(&["--force-rpath".as_ref(), "--set-rpath".as_ref(), path], file)?;
    Ok(())
}

/// Returns what it prints.
fn patchelf(arguments: &[&OsStr], file: &Path) -> Result<String> {
    let mut command = Command::new("patchelf");
    command.args(arguments).arg(file);
    let report = run::run("patchelf", command, LIMIT, Echo::OnFailure)?;
    Ok(report.lines.concat())
}
