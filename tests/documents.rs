//! What the documents say is true: their commands run, their links lead somewhere.

use std::path::{Path, PathBuf};

use e2e::{Instance, project};

/// The project's Markdown files.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [project().to_owned(), project().join("docs")] {
        let entries = std::fs::read_dir(folder).expect("a folder");
        found.extend(entries.filter_map(|entry| {
            let path = entry.expect("an entry").path();
            (path.extension()? == "md").then_some(path)
        }));
    }
    found
}

/// Lines of the `sh` blocks, without comments.
fn commands(document: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(document).expect("readable");
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let command = line.split(" #").next().unwrap_or_default().trim();
            if !command.is_empty() {
                found.push(command.to_owned());
            }
        }
    }
    found
}

/// As a shell takes it apart, for what our documents use: spaces and single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in command.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().expect("a word").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn commands_of_the_readme_run_in_their_order() {
    run_in_order("README.md");
}

#[test]
fn commands_of_the_command_lines_page_run_in_their_order() {
    run_in_order("docs/command-line.md");
}

fn run_in_order(document: &str) {
    let machine = Instance::new();
    let commands = commands(&project().join(document));
    let ours: Vec<_> = commands
        .iter()
        .filter_map(|line| line.strip_prefix("vivarium "))
        .collect();
    assert!(ours.len() >= 7, "{document}: {ours:?}");
    for line in ours {
        let arguments = words(line);
        let output = machine.vivarium(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            output.status.success(),
            "{document}: vivarium {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn scripts_that_documents_name_are_there() {
    use std::os::unix::fs::PermissionsExt;
    for document in documents() {
        for command in commands(&document) {
            let program = command.split(' ').next().expect("a word");
            if let Some(script) = program.strip_prefix("./") {
                let mode = std::fs::metadata(project().join(script))
                    .unwrap_or_else(|error| panic!("{}: {script}: {error}", document.display()))
                    .permissions()
                    .mode();
                assert!(mode & 0o111 != 0, "{script} can't be run");
            }
        }
    }
}

#[test]
fn links_lead_to_files() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("readable");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().expect("a folder").join(target);
            assert!(path.exists(), "{} links to {target}", document.display());
        }
    }
}
