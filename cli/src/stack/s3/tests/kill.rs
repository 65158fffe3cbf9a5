//! A server is killed while it is writing (SIGKILL): acknowledged objects are there, and whole.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::*;

/// Environment variable of the process that is killed: the folder that it serves.
const FOLDER: &str = "TEST_S3_FOLDER";
const NAME: &str = "stack::s3::tests::kill::acknowledged_puts_survive_sigkill";
const ADDRESS: &str = "serving on ";
const WRITERS: usize = 4;
const ENOUGH: usize = 20;

/// Starts this test in a second process, as the server.
#[tokio::test]
async fn acknowledged_puts_survive_sigkill() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return serve_until_killed(folder.into()).await;
    }

    let folder = Arc::new(TempDir::new().unwrap());
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(address) = line.strip_prefix(ADDRESS) {
            break address.parse().unwrap();
        }
    };

    let client = client(address, ACCESS_KEY, SECRET_KEY);
    let acknowledged = AtomicUsize::new(0);
    let writers = join_all((0..WRITERS).map(|writer| write_until_killed(&client, writer, &acknowledged)));
    let killer = async {
        while acknowledged.load(Ordering::Relaxed) < ENOUGH {
            tokio::task::yield_now().await;
        }
        server.kill().await.unwrap();
    };
    let (counts, ()) = tokio::join!(writers, killer);

    let server = Server::open(folder).await;
    assert_eq!(server.temporary_files(), 0);
    let keys = server.keys().await;
    for (writer, count) in counts.into_iter().enumerate() {
        for number in 0..count {
            assert!(keys.contains(&key(writer, number)));
        }
    }
    // Objects that were stored but not yet acknowledged are whole too.
    for key in keys {
        assert!(server.get(&key).await == body(&key));
    }
}

async fn serve_until_killed(folder: PathBuf) {
    let store = Store::open(folder, &[BUCKET]).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // On a new line: the test harness has begun one.
    writeln!(std::io::stdout(), "\n{ADDRESS}{address}").unwrap();
    let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.into() };
    serve(listener, store, credentials, std::future::pending()).await;
}

/// Returns the number of acknowledged puts.
async fn write_until_killed(client: &Client, writer: usize, acknowledged: &AtomicUsize) -> usize {
    for number in 0.. {
        let key = key(writer, number);
        let put = client.put_object().bucket(BUCKET).key(&key).if_none_match("*");
        if put.body(ByteStream::from(body(&key))).send().await.is_err() {
            assert!(acknowledged.load(Ordering::Relaxed) >= ENOUGH, "failed before the kill");
            return number;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!()
}

fn key(writer: usize, number: usize) -> String {
    format!("{writer}/{number}")
}

fn body(key: &str) -> Vec<u8> {
    key.repeat(50_000).into_bytes()
}
