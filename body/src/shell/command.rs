//! What bash is started with: a line that it reads, or arguments that it passes on untouched.

use wire::{job::Job, kernel::ShellCommand};

use super::ShellError;

/// Linux takes arguments up to 128 KiB, with the byte at their end. All arguments of a command
/// have that much together, so that there is room for the variables beside them.
pub(super) const LONGEST: usize = (128 << 10) - 1;
/// Runs its arguments as one command: no word of them is split, expanded or read as a keyword.
const RUN_ARGUMENTS: &str = r#""$@""#;

/// Arguments of bash.
pub(super) fn words(command: ShellCommand) -> Result<Vec<String>, ShellError> {
    let (begin, given): (&[&str], Vec<String>) = match command {
        ShellCommand::Line(line) => (&["-c"], vec![line]),
        ShellCommand::Arguments(arguments) if arguments.is_empty() => {
            return Err(ShellError::NoProgram);
        }
        ShellCommand::Arguments(arguments) => (&["-c", RUN_ARGUMENTS, "bash"], arguments),
    };
    if given.iter().any(|word| word.contains('\0')) {
        return Err(ShellError::ZeroByte);
    }
    // Each word after the first has a byte at its end, and a place of eight in the table of words.
    let length: usize = given.iter().map(|word| word.len() + 9).sum();
    if length > LONGEST + 9 {
        return Err(ShellError::TooLong);
    }
    let begin = begin.iter().map(|&word| word.to_owned());
    Ok(begin.chain(given).collect())
}

/// What a command is called in lists.
pub(super) fn title(command: &ShellCommand) -> String {
    match command {
        ShellCommand::Line(line) => Job::line_of(line),
        ShellCommand::Arguments(arguments) => {
            let mut title = String::new();
            for word in arguments {
                if title.len() > LONGEST_TITLE {
                    break;
                }
                title.extend([word.as_str(), " "]);
            }
            Job::line_of(&title)
        }
    }
}

/// More bytes of it are never shown.
const LONGEST_TITLE: usize = 4 * Job::LONGEST_LINE;

#[cfg(test)]
mod tests {
    use super::{super::Shell, *};

    fn arguments(words: &[&str]) -> ShellCommand {
        ShellCommand::Arguments(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[tokio::test]
    async fn arguments_are_passed_on_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new(folder.path().to_owned());
        for name in ["a", "b", "a b"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let answer = shell.run(arguments(&["rm", "a b"]), None, None).await;
        assert_eq!(answer.unwrap().returncode, Some(0));
        let left = |name: &str| folder.path().join(name).exists();
        assert!(left("a") && left("b") && !left("a b"));

        let odd = ["", "*", "$HOME", "`id`", "a\nb", "\"'\\", "-n", "&&", "ä"];
        let mut words = vec!["printf", "<%s>"];
        words.extend(odd);
        let answer = shell.run(arguments(&words), None, None).await.unwrap();
        let said: String = odd.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(answer.stdout, said);
    }

    #[test]
    fn a_command_is_called_by_its_first_words() {
        assert_eq!(title(&"\n ls -l | wc\nexit".into()), "ls -l | wc");
        assert_eq!(title(&arguments(&["rm", "a b"])), "rm a b");
        assert_eq!(title(&arguments(&[])), "");
        let many = title(&arguments(&["word"; 10_000]));
        assert_eq!(many.chars().count(), Job::LONGEST_LINE);
    }

    #[tokio::test]
    async fn arguments_fail_as_commands_do() {
        let shell = Shell::new(std::env::temp_dir());
        let missing = shell.run(arguments(&["no such program"]), None, None).await;
        let missing = missing.unwrap();
        assert_eq!(missing.returncode, Some(127));
        assert!(
            missing.stderr.contains("no such program"),
            "{}",
            missing.stderr
        );
        let none = shell.run(arguments(&[]), None, None).await;
        assert!(matches!(none, Err(ShellError::NoProgram)));
        let zero = shell.run(arguments(&["echo", "a\0b"]), None, None).await;
        assert!(matches!(zero, Err(ShellError::ZeroByte)));
        let long = "x".repeat(LONGEST / 2);
        let long = shell
            .run(arguments(&["true", &long, &long]), None, None)
            .await;
        assert!(matches!(long, Err(ShellError::TooLong)));
    }
}
