//! What the machine is given besides files of secrets: its environment, and `.env` in the repo. What
//! is secret there becomes a file as well, so that nothing that PID 1 starts has it in its environment.

use std::{
    fs,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::certificates;
use crate::secrets::is_secret;

/// Variables that a `.env` may set beside secrets; others are somebody else's.
const KNOWN: [&str; 12] = [
    "HOST_HOME",
    "HOST_PWD",
    "BROWSER_USE_HEADLESS",
    "FILESYSTEM_ROOT",
    "KERNEL_PORT",
    "MCP_PORT",
    "VNC_PORT",
    "OS_ALLOWED_HOSTS",
    "OS_ALLOWED_ORIGINS",
    "KERNEL_API_KEYS",
    "LOG_LEVEL",
    "MCP_MAX_PROCESSES",
];

/// What all that PID 1 starts has in its environment, beside PID 1's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Of the `.env`, where the environment does not say it.
    pub set: Vec<(String, String)>,
    /// Secrets of the environment: they lie in files now.
    pub unset: Vec<String>,
}

impl Given {
    /// Takes it in. A file of a secret wins over the environment, and that over the `.env`.
    pub fn take(dotenv: &Path) -> std::io::Result<Self> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::of(&environment, &crate::secrets::folders(), dotenv)
    }

    fn of(
        environment: &[(String, String)],
        secrets: &[PathBuf; 2],
        dotenv: &Path,
    ) -> std::io::Result<Self> {
        let mut given = Self::default();
        for (name, value) in environment.iter().filter(|(name, _)| is_secret(name)) {
            put(secrets, name, value)?;
            given.unset.push(name.clone());
        }
        for (name, value) in read(dotenv) {
            if is_secret(&name) {
                put(secrets, &name, &value)?;
            } else if KNOWN.contains(&name.as_str())
                && !environment.iter().any(|(known, _)| *known == name)
            {
                given.set.retain(|(known, _)| *known != name);
                given.set.push((name, value));
            }
        }
        Ok(given)
    }

    /// Lets everything know the network's certificates, where the environment doesn't choose others.
    pub fn trust_network(&mut self) {
        let bundle = crate::paths::run_dir().join("certificates.pem");
        let made = certificates::variables(
            Path::new(certificates::SYSTEM),
            Path::new(certificates::GIVEN),
            &bundle,
        );
        match made {
            Ok(mut variables) => {
                variables.retain(|(name, _)| std::env::var_os(name).is_none());
                self.set.extend(variables);
            }
            Err(error) => eprintln!("body init: could not add the network's certificates: {error}"),
        }
    }

    /// Gives it to a process.
    pub fn hand_to(&self, command: &mut std::process::Command) {
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        for name in &self.unset {
            command.env_remove(name);
        }
    }
}

/// Makes a secret a file in the first folder, where there is none of that name in either.
fn put(secrets: &[PathBuf; 2], name: &str, value: &str) -> std::io::Result<()> {
    let name = name.to_lowercase();
    if value.is_empty() || secrets.iter().any(|folder| folder.join(&name).exists()) {
        return Ok(());
    }
    let file = secrets[1].join(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(file)?;
    std::io::Write::write_all(&mut file, value.as_bytes())
}

fn read(dotenv: &Path) -> Vec<(String, String)> {
    let text = match fs::read_to_string(dotenv) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                let path = dotenv.display();
                eprintln!("body init: could not read {path}, it is ignored: {error}");
            }
            return Vec::new();
        }
    };
    if let Some(warning) = readable_by_others(dotenv) {
        eprintln!("body init: {warning}");
    }
    text.lines().filter_map(assignment).collect()
}

fn readable_by_others(dotenv: &Path) -> Option<String> {
    let mode = fs::metadata(dotenv).ok()?.mode();
    (mode & 0o044 != 0).then(|| {
        let path = dotenv.display();
        format!(
            "warning: other users on this computer can read {path}; run chmod 600 {path} to protect its secrets"
        )
    })
}

/// `NAME=value`, also after `export`; in quotes, or up to a comment.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let fine = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.is_empty() || !name.chars().all(fine) {
        return None;
    }
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let inside = value.strip_prefix(*quote)?;
        Some(&inside[..inside.find(*quote)?])
    });
    let value = quoted.unwrap_or_else(|| {
        let end = value.find(" #").unwrap_or(value.len());
        value[..end].trim_end()
    });
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_line_of_a_dotenv_is_read_as_shells_do() {
        for (line, value) in [
            ("A=1", "1"),
            ("export A = two words # and why", "two words"),
            ("  A=\"in # quotes\" # here", "in # quotes"),
            ("A='$x'", "$x"),
            ("A=", ""),
            ("A=b#c", "b#c"),
        ] {
            assert_eq!(assignment(line), Some(pair("A", value)), "{line}");
        }
        for line in ["", "# A=1", "A", "A B=1", "=1"] {
            assert_eq!(assignment(line), None, "{line}");
        }
    }

    #[test]
    fn a_file_wins_over_the_environment_and_that_over_the_dotenv() {
        let folder = tempfile::tempdir().unwrap();
        let (secrets, dotenv) = (folder.path().join("secrets"), folder.path().join(".env"));
        fs::create_dir(&secrets).unwrap();
        let mounted = folder.path().join("mounted");
        fs::create_dir(&mounted).unwrap();
        fs::write(mounted.join("a_api_key"), "file").unwrap();
        let text = "A_API_KEY=x\nB_API_KEY=x\nC_API_KEY=dotenv\nOS_TOKEN=off\n\
                    LOG_LEVEL=debug\nMCP_PORT=1\nMCP_PORT=2\nLD_PRELOAD=/repo/evil.so\nEMPTY_API_KEY=\n";
        fs::write(&dotenv, text).unwrap();
        let environment = [
            pair("A_API_KEY", "environment"),
            pair("B_API_KEY", "environment"),
            pair("LOG_LEVEL", "warn"),
            pair("PATH", "/bin"),
        ];
        let folders = [mounted, secrets.clone()];
        let given = Given::of(&environment, &folders, &dotenv).unwrap();
        let found = |name: &str| fs::read_to_string(secrets.join(name)).unwrap_or_default();
        assert_eq!(found("a_api_key"), "");
        assert_eq!(found("b_api_key"), "environment");
        assert_eq!(found("c_api_key"), "dotenv");
        assert_eq!(found("os_token"), "off");
        assert!(!secrets.join("empty_api_key").exists());
        let mode = fs::metadata(secrets.join("b_api_key")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o400);
        // What lies in files now is in nobody's environment; of the rest, what is ours is set.
        assert_eq!(given.unset, ["A_API_KEY", "B_API_KEY"]);
        assert_eq!(given.set, [pair("MCP_PORT", "2")]);
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", "echo $A_API_KEY$MCP_PORT"])
            .env("A_API_KEY", "x");
        given.hand_to(&mut command);
        assert_eq!(command.output().unwrap().stdout, b"2\n");
    }

    #[test]
    fn a_dotenv_that_others_can_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = folder.path().join(".env");
        assert_eq!(readable_by_others(&dotenv), None);
        fs::write(&dotenv, "").unwrap();
        for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&dotenv, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(readable_by_others(&dotenv).is_some(), warned, "{mode:o}");
        }
    }
}
