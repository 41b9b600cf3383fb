//! The program as a user meets it: what it says to a wrong file, and that the clusters that ship
//! can be read.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn archipelago(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archipelago"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A cluster file in a folder of this test's own, removed with the value.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).expect("the temporary folder is writable");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the path is UTF-8")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_wrong_cluster_file_is_refused_with_its_line_before_anything_starts() {
    let file = TempFile::new(
        "unbridged.toml",
        "realm = \"r\"\n[groups.a]\nopen = true\n[groups.b]\nopen = true\n\
         [nodes.x]\ncount = 2\ngroups = [\"a\"]\n[nodes.y]\ncount = 2\ngroups = [\"b\"]\n",
    );
    let output = archipelago(&["demo", "--cluster", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("unbridged.toml:4: nobody bridges group \"b\""),
        "{message}"
    );
    assert!(message.contains("reflectors"), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_missing_cluster_file_is_named() {
    let output = archipelago(&["demo", "--cluster", "no-such-file.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no-such-file.toml"));
}

#[test]
fn impossible_numbers_are_refused_with_a_remedy() {
    let output = archipelago(&["--nodes", "10", "--groups", "12"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("more nodes or fewer groups"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_unknown_option_says_what_there_is() {
    let output = archipelago(&["demo", "--node", "10"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--nodes"));
}
