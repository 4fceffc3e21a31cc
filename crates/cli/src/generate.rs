//! What describes the command line to others: completions for shells, and the man page.

use std::{io::Write, process::ExitCode};

use clap::CommandFactory;

use crate::arguments::{Arguments, Command};

/// Prints completions or the man page; `None` if the command asks for something else.
pub fn printed(command: &Command) -> Option<ExitCode> {
    let text = match command {
        Command::Completion { shell } => completion(*shell),
        Command::Man => match man() {
            Ok(text) => text,
            Err(error) => {
                eprintln!("vivarium: the man page could not be made: {error}");
                return Some(ExitCode::FAILURE);
            }
        },
        _ => return None,
    };
    // A closed pipe is the reader's wish, no failure of ours.
    let _ = std::io::stdout().lock().write_all(&text);
    Some(ExitCode::SUCCESS)
}

fn completion(shell: clap_complete::Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vivarium", &mut text);
    text
}

/// One page: what all commands share, then each command with its options.
fn man() -> std::io::Result<Vec<u8>> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let whole = clap_mangen::Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    for one in leaves(&command, "") {
        writeln!(page, ".SH \"{}\"", one.0.to_uppercase())?;
        let man = clap_mangen::Man::new(one.1);
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        // Sections of the page's own are subsections here.
        page.extend_from_slice(
            String::from_utf8_lossy(&section)
                .replace(".SH ", ".SS ")
                .as_bytes(),
        );
    }
    whole.render_extra_section(&mut page)?;
    whole.render_version_section(&mut page)?;
    Ok(page)
}

/// Commands without commands of their own, by their whole names; global options are told once, above.
fn leaves(command: &clap::Command, before: &str) -> Vec<(String, clap::Command)> {
    let mut found = Vec::new();
    for one in command
        .get_subcommands()
        .filter(|one| !one.is_hide_set() && one.get_name() != "help")
    {
        let name = format!("{before} {}", one.get_name()).trim().to_owned();
        if one.has_subcommands() {
            found.extend(leaves(one, &name));
        } else {
            let own = one.clone().mut_args(|argument| {
                let is_global = argument.is_global_set();
                argument.hide(is_global)
            });
            found.push((name, own));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn completions_know_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let text = String::from_utf8(completion(*shell)).unwrap();
            for word in ["generations", "sandbox", "completion", "--follow"] {
                assert!(
                    text.contains(word.trim_start_matches('-')),
                    "{shell}: {word}"
                );
            }
        }
    }

    #[test]
    fn the_man_page_has_every_command_and_says_global_options_once() {
        let page = String::from_utf8(man().unwrap()).unwrap();
        for section in ["\"MACHINE CREATE\"", "\"SANDBOX RUN\"", "\"LOGS\"", "EXTRA"] {
            assert!(page.contains(&format!(".SH {section}")), "{section}");
        }
        assert_eq!(page.matches("Container engine: an address").count(), 1);
    }
}
