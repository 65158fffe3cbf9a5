//! Files that only their owner can read: the data folder has personal data, and other users of the machine aren't trusted.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Opens a file for writing and creates it if it doesn't exist. Takes all access from other users, also to a file that an
/// earlier version created. Elsewhere than on Unix, the folder's own permissions apply.
///
/// # Errors
/// When the file can't be opened, or isn't ours.
pub fn open(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    #[cfg(unix)]
    opened.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(opened)
}

/// Makes an SQLite database in this file readable by its owner only, before SQLite opens it. SQLite gives the files beside
/// it the same permissions when it creates them.
///
/// # Errors
/// As [`open`].
pub fn database(file: &Path) -> io::Result<()> {
    open(file)?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(suffix);
        if Path::new(&beside).exists() {
            open(Path::new(&beside))?;
        }
    }
    Ok(())
}
