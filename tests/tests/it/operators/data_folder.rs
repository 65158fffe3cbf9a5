//! The data folder of the local stack.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use countersign::ledger::ArchiveState;
use end_to_end::{
    LocalStack,
    legalesign::{document, status},
};
use tempfile::TempDir;

/// The files below a folder that others than their owner may use, and the number of all files.
fn open_to_others(folder: &Path) -> (Vec<String>, usize) {
    let (mut open, mut files) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            let (below, count) = open_to_others(&entry.path());
            open.extend(below);
            files += count;
        } else {
            files += 1;
            let mode = entry.metadata().expect("a file").permissions().mode();
            if mode & 0o077 != 0 {
                open.push(format!("{} {mode:o}", entry.path().display()));
            }
        }
    }
    (open, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_data_folder_is_readable_by_its_owner_only() {
    let folder = TempDir::new().expect("a folder");
    // As an earlier version created it.
    let database = folder.path().join("bus.sqlite");
    fs::write(&database, "").expect("a file");
    fs::set_permissions(&database, PermissionsExt::from_mode(0o644)).expect("its permissions");
    let path = folder.path().to_owned();
    let stack = LocalStack::start_in(folder).await;
    stack.post_batch(&[status("document", "d", 30, "2018-03-20T07:09:52")]).await;
    let timeline = stack.wait_for_archive(&document("d"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.pdfs.len(), 2);
    let (open, files) = open_to_others(&path);
    assert!(open.is_empty() && files > 5, "{open:#?}");
}
