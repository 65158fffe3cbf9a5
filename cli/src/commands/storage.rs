//! What is stored in a data folder, whether a stack runs on it or not.

use std::{path::Path, time::Duration};

use countersign::{aws::Aws, ledger::Ledger};
use tokio::{sync::watch, task::JoinSet};

use super::output::Failure;
use crate::stack::{self, BUCKET, Endpoints, Folder, InUse, Storage, TABLE};

/// Another command holds the folder only for as long as it runs.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);

/// Access to a folder's table and bucket.
pub struct Access {
    /// Clients of its DynamoDB and S3.
    pub aws: Aws,
    // Held while they are needed: with them go the lock and the embedded services.
    _opened: Option<(Folder, JoinSet<()>, watch::Sender<bool>)>,
}

impl Access {
    /// Asks the stack that runs on the folder, or opens the folder.
    pub async fn open(data: &Path) -> Result<Self, Failure> {
        match take(data).await? {
            Ok(folder) => {
                let (stop, stopping) = watch::channel(false);
                let mut parts = JoinSet::new();
                let storage = Storage::open(folder.path(), &mut parts, &stopping).await?;
                Ok(Self { aws: storage.aws, _opened: Some((folder, parts, stop)) })
            }
            Err(endpoints) => Ok(Self { aws: stack::clients(&endpoints.dynamodb, &endpoints.s3).await, _opened: None }),
        }
    }

    /// The ledger in it.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }
}

/// Takes the folder, or says where the stack is that has it. Waits for commands that have it for a moment.
pub async fn take(data: &Path) -> Result<Result<Folder, Endpoints>, Failure> {
    let started = std::time::Instant::now();
    loop {
        match Folder::take(data)? {
            Ok(folder) => return Ok(Ok(folder)),
            Err(InUse { endpoints: Some(endpoints) }) => return Ok(Err(endpoints)),
            Err(InUse { endpoints: None }) if started.elapsed() < WAIT_FOR_OTHERS => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(InUse { endpoints: None }) => {
                return Err(Failure::new("in_use", format!("another process uses the data folder {}", data.display())));
            }
        }
    }
}

/// The stack that runs on the folder.
pub async fn running(data: &Path) -> Result<Endpoints, Failure> {
    let no_stack = || {
        let data = data.display();
        Failure::new("no_stack", format!("no stack runs on {data}: start one with `countersign serve --data {data}`"))
    };
    if !data.is_dir() {
        return Err(no_stack());
    }
    take(data).await?.err().ok_or_else(no_stack)
}
