//! What is wrong with an entry beyond its types.

use super::{
    FileFormat, HomePath, Invalid, Mode, Package, Policy, SessionArguments, Tool, Word, Words,
};

/// The reason, with the field that it is about.
pub(super) fn check(tool: &Tool) -> Result<(), Invalid> {
    line("title", &tool.title)?;
    program("binary", &tool.binary)?;
    if let Some(page) = &tool.home_page {
        let fits = page.starts_with("https://")
            && !page.contains(|c: char| c.is_whitespace() || c.is_control());
        is(fits, "home_page", page, "expected an https address")?;
    }
    if let Some(base) = &tool.base {
        let fits =
            !base.is_empty() && !base.starts_with('-') && !base.contains(char::is_whitespace);
        is(fits, "base", base, "expected the name of an image")?;
    }
    match (&tool.package, &tool.not_built) {
        (Some(_), Some(_)) => return Err(Invalid::new("not_built: it has a package")),
        (Some(one), None) => package("package", one)?,
        (None, Some(reason)) => line("not_built", reason)?,
        (None, None) => {}
    }
    if tool.not_built.is_none() && tool.interactive.is_none() && tool.unattended.is_none() {
        return Err(Invalid::new("interactive: missing, and so is unattended"));
    }
    commands(tool)?;
    modes(tool)?;
    for name in tool.keys.iter().chain(tool.environment.keys()) {
        variable("keys and environment", name)?;
    }
    if let Some(acp) = &tool.acp {
        command("acp.command", &acp.command)?;
        if let Some(one) = &acp.package {
            package("acp.package", one)?;
        }
        for name in acp.environment.keys() {
            variable("acp.environment", name)?;
        }
    }
    login(tool)?;
    for file in &tool.first_run {
        first_run(&file.path, file.format, &file.content)?;
    }
    Ok(())
}

fn commands(tool: &Tool) -> Result<(), Invalid> {
    use Word::{Id, Mode, Output, Prompt, Session, Text};
    let whole: &[Word] = &[Session, Mode, Prompt, Output, Text];
    if let Some(words) = &tool.interactive {
        only("interactive", words, &[Session, Mode, Prompt])?;
    }
    if let Some(words) = &tool.unattended {
        only("unattended", words, whole)?;
        let says = |word: &Word| words.contains(word);
        if says(&Prompt) == says(&Text) {
            return Err(Invalid::new(
                "unattended: expected either {prompt} or {text}",
            ));
        }
        if says(&Output) != tool.output.is_some() {
            return Err(Invalid::new(
                "unattended: {output} and the field output need each other",
            ));
        }
    }
    only("prompt", &tool.prompt, &[Text])?;
    let prompts = [&tool.interactive, &tool.unattended];
    let uses = prompts
        .iter()
        .any(|words| words.as_ref().is_some_and(|words| words.contains(&Prompt)));
    if uses && !tool.prompt.contains(&Text) {
        return Err(Invalid::new("prompt: {text} is missing"));
    }
    if let Some(output) = &tool.output {
        only("output.arguments", &output.arguments, &[])?;
    }
    let of_conversation = |field: &str, arguments: &SessionArguments| {
        for (name, words, needs_id) in [
            ("new", &arguments.new, true),
            ("resume", &arguments.resume, true),
            ("last", &arguments.last, false),
        ] {
            let Some(words) = words else { continue };
            only(&format!("{field}.{name}"), words, &[Id])?;
            if words.contains(&Id) != needs_id {
                let wrong = if needs_id {
                    "is missing"
                } else {
                    "has no meaning there"
                };
                return Err(Invalid(format!("{field}.{name}: {{id}} {wrong}")));
            }
        }
        Ok(())
    };
    of_conversation("session", &tool.session)?;
    match &tool.unattended_session {
        Some(arguments) => of_conversation("unattended_session", arguments),
        None => Ok(()),
    }
}

fn modes(tool: &Tool) -> Result<(), Invalid> {
    for (
        index,
        Mode {
            id,
            title,
            arguments,
            ..
        },
    ) in tool.modes.iter().enumerate()
    {
        line("modes.id", id)?;
        line("modes.title", title)?;
        only(&format!("modes.arguments of {id}"), arguments, &[])?;
        if tool.modes[..index].iter().any(|other| other.id == *id) {
            return Err(Invalid(format!("modes: {id} is there twice")));
        }
    }
    let Some(default) = &tool.default_mode else {
        return match tool.modes.is_empty() {
            true => Ok(()),
            false => Err(Invalid::new("default_mode: missing")),
        };
    };
    let Some(mode) = tool.mode(default) else {
        return Err(Invalid(format!(
            "default_mode: {default} isn't one of the modes"
        )));
    };
    // Nothing is allowed on a person's behalf that they didn't choose.
    let asks = tool.modes.iter().any(|mode| mode.policy == Policy::Ask);
    match mode.unattended_only || mode.policy > Policy::Ask && (asks || mode.policy == Policy::All)
    {
        true => Err(Invalid(format!(
            "default_mode: {default} isn't one that asks"
        ))),
        false => Ok(()),
    }
}

fn login(tool: &Tool) -> Result<(), Invalid> {
    let Some(login) = &tool.login else {
        return Ok(());
    };
    command("login.command", &login.command)?;
    if let Some(status) = &login.status {
        command("login.status", status)?;
    }
    if login.folders.is_empty() {
        return Err(Invalid::new("login.folders: missing"));
    }
    for folder in &login.folders {
        if let Some(name) = &folder.variable {
            variable("login.folders.variable", name)?;
        }
        for name in &folder.only {
            program("login.folders.only", name)?;
        }
    }
    Ok(())
}

fn first_run(path: &HomePath, format: FileFormat, content: &str) -> Result<(), Invalid> {
    let wrong = |error: String| Invalid(format!("first_run: {path}: {error}"));
    match format {
        FileFormat::Json => {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(content)
                .map(drop)
                .map_err(|error| wrong(error.to_string()))
        }
        FileFormat::Toml => toml::from_str::<toml::Table>(content)
            .map(drop)
            .map_err(|error| wrong(error.message().to_owned())),
        FileFormat::Text => Ok(()),
    }
}

fn package(field: &str, package: &Package) -> Result<(), Invalid> {
    let name = package.name();
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let fits = match package {
        Package::Npm { .. } => match name.strip_prefix('@') {
            Some(scoped) => scoped
                .split_once('/')
                .is_some_and(|(scope, name)| plain(scope) && plain(name)),
            None => plain(name),
        },
        Package::Pypi { .. } => plain(name),
    };
    is(fits, field, name, "expected the name of a package")
}

fn command(field: &str, words: &[String]) -> Result<(), Invalid> {
    let Some(first) = words.first() else {
        return Err(Invalid(format!("{field}: empty")));
    };
    program(field, first)?;
    let plain = words.iter().all(|word| !word.contains('\0'));
    is(plain, field, first, "has a zero byte")
}

/// Only these placeholders have a meaning there.
fn only(field: &str, words: &Words, allowed: &[Word]) -> Result<(), Invalid> {
    for word in words {
        if !matches!(word, Word::Literal(_)) && !allowed.contains(word) {
            return Err(Invalid(format!(
                "{field}: {} has no meaning there",
                word.as_str()
            )));
        }
    }
    Ok(())
}

fn program(field: &str, name: &str) -> Result<(), Invalid> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is(fits, field, name, "expected a name without folders")
}

fn variable(field: &str, name: &str) -> Result<(), Invalid> {
    let fits = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is(fits, field, name, "expected a variable's name in capitals")
}

fn line(field: &str, text: &str) -> Result<(), Invalid> {
    let fits = !text.trim().is_empty() && text.len() <= 300 && !text.contains(char::is_control);
    is(fits, field, text, "expected one line of text")
}

fn is(fits: bool, field: &str, value: &str, expected: &str) -> Result<(), Invalid> {
    match fits {
        true => Ok(()),
        false => Err(Invalid(format!("{field}: invalid: {value:?} ({expected})"))),
    }
}
