//! A container that is gone when the test is over.

use std::{
    path::Path,
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{docker, said, until};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has.
pub fn name() -> String {
    let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{run}-image-{}-{number}", std::process::id())
}

pub struct Container {
    pub name: String,
}

impl Container {
    /// Starts one, with these options before the image.
    pub fn start(options: &[&str], image: &str, command: &[&str]) -> Self {
        let container = Self { name: name() };
        let mut words = vec!["run", "--detach", "--name", &container.name];
        words.extend(options);
        words.push(image);
        words.extend(command);
        said(&words);
        container
    }

    /// Runs a command in it.
    pub fn exec(&self, options: &[&str], command: &[&str]) -> Output {
        let mut words = vec!["exec"];
        words.extend(options);
        words.push(&self.name);
        words.extend(command);
        docker(&words)
    }

    /// What a command in it prints, if it succeeds.
    pub fn said(&self, command: &[&str]) -> String {
        let output = self.exec(&[], command);
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command:?}: {printed}{error}");
        printed
    }

    pub fn copy(&self, file: &Path, to: &str) {
        let to = format!("{}:{to}", self.name);
        said(&["cp", &file.display().to_string(), &to]);
    }

    /// Stdout and stderr.
    pub fn log(&self) -> String {
        let output = docker(&["logs", &self.name]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    pub fn until_logged(&self, text: &str) {
        until(&format!("{text} in the log of {}", self.name), || {
            self.log().contains(text)
        });
    }

    /// Waits for its end; answers its exit code.
    pub fn exit_code(&self) -> String {
        said(&["wait", &self.name])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.name]);
    }
}
