//! The progress of long commands is shown only at a terminal.

use std::{fs::File, io::Read, process::Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::process::Data;

/// Runs a command whose standard error is a terminal. Returns what it printed there, and its standard output.
fn at_a_terminal(data: &Data, arguments: &[&str]) -> (String, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(name).unwrap();
    let mut command = data.command(arguments);
    command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(theirs);
    let child = command.spawn().unwrap();
    // Closes this process's last handle of the terminal.
    drop(command);
    let reader = std::thread::spawn(move || {
        let (mut ours, mut output, mut piece) = (File::from(ours), Vec::new(), [0; 4096]);
        // When the other end is closed, Linux returns an error rather than an end of file.
        while let Ok(read @ 1..) = ours.read(&mut piece) {
            output.extend(&piece[..read]);
        }
        output
    });
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8_lossy(&reader.join().unwrap()).into_owned(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn progress_is_shown_only_at_a_terminal_and_without_json() {
    let data = Data::new();
    let serve = data.serve(&[]);
    for id in ["a", "b", "c"] {
        serve.quicklysign("document_updated", id);
        data.json(&["trigger", "legalesign", "batch", "--id", id]);
    }
    for (arguments, doing) in [
        (&["replay", "--provider", "quicklysign"][..], "replaying"),
        (&["verify", "--all"], "verifying"),
        (&["reconcile"], "finishing interrupted work"),
    ] {
        let (terminal, stdout) = at_a_terminal(&data, arguments);
        assert!(terminal.contains(doing) && !stdout.contains(doing), "{arguments:?}: {terminal:?}");
        let for_programs = [arguments, &["--json"]].concat();
        let (terminal, stdout) = at_a_terminal(&data, &for_programs);
        assert!(terminal.is_empty() && stdout.starts_with('{'), "{for_programs:?}: {terminal:?}");
        let piped = data.run(arguments);
        assert!(piped.code == Some(0) && piped.stderr.is_empty(), "{piped:?}");
    }
}
