//! Where things are: the checkout, and the folder for everything that is built.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The checkout this `xtask` was built from.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder; scratch projects, exports and screenshots go there too.
    pub(crate) target: PathBuf,
    /// Held while this process works: two of them would pull the scratch projects from under
    /// each other.
    _lock: File,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).context("xtask is not in its workspace")?;
        // Cargo put this program into `target/<profile>/`, wherever that was configured to be.
        let program = env::current_exe()?;
        let target = program.ancestors().nth(2).context("xtask was not started by cargo")?;
        let lock = lock(&target.join("xtask.lock"))?;
        Ok(Self { root: root.to_owned(), target: target.to_owned(), _lock: lock })
    }

    /// A command that runs cargo at the root of the workspace.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// A new, empty folder under the target folder.
    pub(crate) fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("clearing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("opening {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another `cargo xtask` to end");
        file.lock()?;
    }
    Ok(file)
}
