//! The records, the commands made from them, and what they imply: the scripts' work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long an import may stand still. Far above what a line takes: only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(2);

/// Commands and expectations of one folder of records.
pub struct Files {
    directory: TempDir,
    expected: Value,
}

impl Files {
    /// Runs both scripts.
    pub fn make() -> Self {
        let records = records();
        let directory = TempDir::new().unwrap();
        let commands = directory.path().join("commands.ndjson");
        python(
            "oulad_commands.py",
            &[&records, Path::new("--out"), &commands],
        );
        let printed = python("oulad_expected.py", &[&records]);
        std::fs::write(directory.path().join("expected.json"), &printed).unwrap();
        let expected = serde_json::from_str(&printed).unwrap();
        Self {
            directory,
            expected,
        }
    }

    /// The commands, one JSON line each.
    pub fn commands(&self) -> PathBuf {
        self.directory.path().join("commands.ndjson")
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.expected["commands"].as_u64().unwrap()
    }

    /// Plays the commands against the rules in their shortest form, without a server.
    pub fn check(&self) {
        let expected = self.directory.path().join("expected.json");
        let said = python("oulad_check.py", &[&self.commands(), &expected]);
        println!("{said}");
    }

    /// The totals by internship, as the admin report has them.
    pub fn internships(&self) -> Vec<Value> {
        self.expected["internships"].as_array().unwrap().clone()
    }

    /// Holder, title and last day of every certificate, sorted.
    pub fn certificates(&self) -> Vec<[String; 3]> {
        serde_json::from_value(self.expected["certificates"].clone()).unwrap()
    }

    /// Every method has the accepted and the refused commands that the files imply, by reason.
    pub fn assert_report(&self, report: &Value) {
        let mut accepted = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for (method, counts) in report["methods"].as_object().unwrap() {
            let done = ["accepted", "repeated"].map(|how| counts[how].as_u64().unwrap());
            accepted.insert(method, Value::from(done.iter().sum::<u64>()));
            if counts["refused"] != serde_json::json!({}) {
                refused.insert(method, counts["refused"].clone());
            }
        }
        let examples = &report["examples"];
        assert_eq!(
            serde_json::json!(accepted),
            self.expected["accepted"],
            "{examples:#}"
        );
        assert_eq!(
            serde_json::json!(refused),
            self.expected["refused"],
            "{examples:#}"
        );
    }

    /// Waits until an import has done everything before `line`, as its state file says.
    pub fn until_done_before(&self, line: u64, importing: &mut Child) {
        let state = self.directory.path().join("commands.ndjson.progress");
        let begun = Instant::now();
        loop {
            let done_before = std::fs::read(&state)
                .ok()
                .and_then(|saved| serde_json::from_slice::<Value>(&saved).ok())
                .and_then(|saved| saved["done_before"]["line"].as_u64());
            if done_before >= Some(line) {
                return;
            }
            assert!(
                importing.try_wait().unwrap().is_none(),
                "it ended before line {line}"
            );
            assert!(
                begun.elapsed() < patience(),
                "it is still at line {done_before:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// How long something may take: a figure for the sample, and as much more as all of OULAD is larger.
pub fn patience() -> Duration {
    if full() { PATIENCE * 90 } else { PATIENCE }
}

fn full() -> bool {
    all_of_oulad().is_some()
}

/// The folder of the OULAD files, where the long proofs are wanted and it is there.
fn all_of_oulad() -> Option<PathBuf> {
    std::env::var_os("ANNALS_FULL")?;
    std::env::var_os("ANNALS_OULAD_DIR").map(PathBuf::from)
}

fn records() -> PathBuf {
    let sample = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oulad-sample");
    all_of_oulad().unwrap_or_else(sample)
}

fn python(script: &str, arguments: &[&Path]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(script);
    let output = Command::new("python3")
        .arg("-B")
        .arg(path)
        .args(arguments)
        .output()
        .expect("python3 is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
