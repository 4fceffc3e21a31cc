//! `machine.toml`: what the owner chose for a machine. Written with comments on
//! first use; a wrong field or value is told with its line.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

/// The file as it is written on first use.
const DEFAULT: &str = include_str!("machine.toml");

/// A machine as its owner wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the container.
    pub name: String,
    /// Base image of the build.
    pub base: String,
    /// How tightly it is closed.
    pub profile: Profile,
    /// Who carries out a self-evolve.
    pub executor: Executor,
    /// Capabilities for CRIU.
    pub criu: bool,
    /// How many old images are kept.
    pub generations_to_keep: u32,
    /// How it is rebuilt and replaced.
    pub evolve: EvolveSpec,
    /// Host ports.
    pub ports: Ports,
    /// Limits.
    pub limits: LimitsSpec,
    /// Environment; nothing secret.
    pub environment: BTreeMap<String, String>,
    /// Folders of the host.
    pub mounts: Vec<MountSpec>,
}

/// How tightly a machine is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// sudo works inside.
    #[default]
    Default,
    /// No capabilities, no new privileges, read-only root.
    Locked,
}

/// Who carries out a self-evolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The app or the CLI.
    #[default]
    Host,
    /// The machine itself, through a mounted engine socket.
    Socket,
}

/// How a machine is rebuilt and replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvolveSpec {
    /// Whether a run that the machine asks for waits for a person's yes.
    pub needs_yes: bool,
    /// How long a candidate may take to prove itself.
    pub prove_s: u32,
    /// How long the new machine may take until it answers.
    pub settle_s: u32,
    /// How long candidate and new machine have to stay well until they count as good.
    pub steady_s: u32,
    /// What all earlier generations may take of the disk together, such as `20g`; no limit where
    /// empty.
    pub generations_size: String,
}

impl Default for EvolveSpec {
    fn default() -> Self {
        Self {
            needs_yes: false,
            prove_s: 180,
            settle_s: 60,
            steady_s: 4,
            generations_size: String::new(),
        }
    }
}

/// Host ports on 127.0.0.1; 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// Kernel API.
    pub kernel: u16,
    /// MCP.
    pub mcp: u16,
    /// VNC.
    pub vnc: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            kernel: 8080,
            mcp: 8765,
            vnc: 5900,
        }
    }
}

/// Limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSpec {
    /// Such as `4g`; none where empty.
    pub memory: String,
    /// 0 for all.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Size of /dev/shm, such as `1g`.
    pub shm: String,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            memory: String::new(),
            cpus: 0.0,
            pids: 2048,
            shm: "1g".into(),
        }
    }
}

/// A folder of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountSpec {
    /// Host path; `~` is the home.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

impl Default for Spec {
    fn default() -> Self {
        let mount = |source: &str, target: &str| MountSpec {
            source: source.into(),
            target: target.into(),
            read_only: false,
        };
        Self {
            name: "os-host".into(),
            base: "debian:trixie-slim".into(),
            profile: Profile::Default,
            executor: Executor::Host,
            criu: false,
            generations_to_keep: 3,
            evolve: EvolveSpec::default(),
            ports: Ports::default(),
            limits: LimitsSpec::default(),
            environment: BTreeMap::new(),
            mounts: vec![
                mount("~/projects/docker_persistence", "/root/host"),
                mount("~/.mcp-state", "/data"),
            ],
        }
    }
}

/// What is wrong with a spec, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {}{reason}", field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct SpecError {
    place: String,
    field: Option<String>,
    reason: String,
}

impl SpecError {
    /// File and line, or the flag.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl Spec {
    /// The file's text on first use. Other instances than the first take any free ports.
    #[must_use]
    pub fn default_text(first_instance: bool) -> String {
        if first_instance {
            return DEFAULT.into();
        }
        DEFAULT
            .replace("kernel = 8080", "kernel = 0")
            .replace("mcp = 8765", "mcp = 0")
            .replace("vnc = 5900", "vnc = 0")
    }

    /// Reads a spec; `file` only names it. Each of `overrides` is `key=value` in TOML's syntax
    /// (`ports.kernel=0`); a bare word counts as a string.
    ///
    /// # Errors
    /// [`SpecError`] naming line and field, or the override.
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|error| located(&error, text, file))?;
        spec.check().map_err(|(field, reason)| SpecError {
            place: match line_of(text, field) {
                Some(line) => format!("{}, line {line}", file.display()),
                None => file.display().to_string(),
            },
            field: Some(field.into()),
            reason,
        })?;
        if overrides.is_empty() {
            return Ok(spec);
        }
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| located(&error, text, file))?;
        let mut spec = spec;
        for one in overrides {
            let wrong = |field: Option<&str>, reason: &str| SpecError {
                place: format!("--set {one}"),
                field: field.map(Into::into),
                reason: reason.into(),
            };
            let (key, value) = one
                .split_once('=')
                .ok_or_else(|| wrong(None, "expected key=value"))?;
            let parsed = toml::from_str::<toml::Table>(one)
                .or_else(|_| {
                    toml::from_str(&format!("{key} = {}", toml::Value::String(value.into())))
                })
                .map_err(|error| wrong(None, error.message()))?;
            merge(&mut table, parsed);
            spec = Self::deserialize(toml::Value::Table(table.clone()))
                .map_err(|error| wrong(Some(key), error.message()))?;
            spec.check()
                .map_err(|(field, reason)| wrong(Some(field), &reason))?;
        }
        Ok(spec)
    }

    /// What all earlier generations may take together.
    pub(crate) fn generations_bytes(&self) -> Option<u64> {
        size_bytes(&self.evolve.generations_size)
    }

    /// Memory limit.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        size_bytes(&self.limits.memory)
    }

    /// Size of /dev/shm.
    #[must_use]
    pub fn shm_bytes(&self) -> Option<u64> {
        size_bytes(&self.limits.shm)
    }

    /// What types can't say.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let name_ok = self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !name_ok {
            return Err((
                "name",
                format!(
                    "{:?} is no container name (letters, digits, _ . -)",
                    self.name
                ),
            ));
        }
        if self.base.is_empty() || self.base.contains(char::is_whitespace) {
            return Err(("base", format!("{:?} is no image name", self.base)));
        }
        let ports = [
            ("kernel", self.ports.kernel),
            ("mcp", self.ports.mcp),
            ("vnc", self.ports.vnc),
        ];
        for (index, (name, port)) in ports.into_iter().enumerate() {
            if port != 0 && ports[..index].iter().any(|(_, other)| *other == port) {
                return Err((name, format!("{port} is used twice")));
            }
        }
        for (name, size) in [
            ("memory", &self.limits.memory),
            ("shm", &self.limits.shm),
            ("generations_size", &self.evolve.generations_size),
        ] {
            if !size.is_empty() && size_bytes(size).is_none() {
                return Err((name, format!("{size:?} is no size (such as 512m or 4g)")));
            }
        }
        if !(self.limits.cpus.is_finite() && self.limits.cpus >= 0.0) {
            return Err((
                "cpus",
                format!("{} is no number of processors", self.limits.cpus),
            ));
        }
        for mount in &self.mounts {
            if !(mount.source.starts_with('/') || mount.source.starts_with("~/"))
                || mount.source.contains(':')
            {
                return Err((
                    "source",
                    format!("{:?} is no absolute path without a colon", mount.source),
                ));
            }
            if !mount.target.starts_with('/') || mount.target.contains(':') {
                return Err((
                    "target",
                    format!("{:?} is no absolute path without a colon", mount.target),
                ));
            }
        }
        for name in self.environment.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(("environment", format!("{name:?} is no variable name")));
            }
            let upper = name.to_ascii_uppercase();
            if ["_API_KEY", "_TOKEN", "PASSWORD", "_SECRET"]
                .iter()
                .any(|end| upper.ends_with(end))
            {
                return Err((
                    "environment",
                    format!(
                        "{name} looks like a secret: put it into the machine's secrets folder as a file"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// `512m`, `4g`, `1gib`, plain bytes.
fn size_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|size| *size > 0)
}

fn located(error: &toml::de::Error, text: &str, file: &Path) -> SpecError {
    let Some(span) = error.span() else {
        return SpecError {
            place: file.display().to_string(),
            field: None,
            reason: error.message().into(),
        };
    };
    let before = &text[..span.start.min(text.len())];
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let field = line.split_once('=').map(|(key, _)| key.trim().to_owned());
    SpecError {
        place: format!("{}, line {number}", file.display()),
        field: field.filter(|key| !key.is_empty()),
        reason: error.message().trim().replace('\n', "; "),
    }
}

/// The first line that sets `field`, or opens a table of that name.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let sets = |line: &str| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == field)
    };
    let opens = |line: &str| line.trim().trim_matches(['[', ']']) == field;
    text.lines()
        .position(|line| sets(line) || opens(line))
        .map(|index| index + 1)
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Spec::parse(text, Path::new("machine.toml"), &[])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_written_file_is_the_default() {
        let spec = Spec::parse(&Spec::default_text(true), Path::new("x"), &[]).unwrap();
        assert_eq!(spec, Spec::default());
        let other = Spec::parse(&Spec::default_text(false), Path::new("x"), &[]).unwrap();
        assert_eq!(
            other.ports,
            Ports {
                kernel: 0,
                mcp: 0,
                vnc: 0
            }
        );
    }

    #[test]
    fn an_unknown_field_is_told_with_its_line() {
        let text = error("name = \"a\"\n\n[ports]\nkernle = 1\n");
        assert!(
            text.starts_with("machine.toml, line 4: kernle: unknown field"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_line() {
        let text = error("[ports]\nkernel = \"high\"\n");
        assert!(
            text.starts_with("machine.toml, line 2: kernel: invalid type"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_value_is_told_with_its_line() {
        let text = error("name = \"ok\"\n[limits]\nmemory = \"much\"\n");
        assert!(
            text.starts_with("machine.toml, line 3: memory: \"much\" is no size"),
            "{text}"
        );
        let text = error("[ports]\nkernel = 5900\n");
        assert!(text.contains("vnc: 5900 is used twice"), "{text}");
        let text = error("[environment]\nOPENAI_API_KEY = \"x\"\n");
        assert!(text.contains("line 1") && text.contains("secret"), "{text}");
    }

    #[test]
    fn overrides_win_and_are_checked() {
        let parse = |one: &str| Spec::parse("", Path::new("f"), &[one.to_owned()]);
        assert_eq!(parse("ports.kernel=0").unwrap().ports.kernel, 0);
        assert_eq!(parse("name=blue").unwrap().name, "blue");
        assert_eq!(parse("profile=locked").unwrap().profile, Profile::Locked);
        let text = parse("ports.kernel=none").unwrap_err().to_string();
        assert!(
            text.starts_with("--set ports.kernel=none: ports.kernel:"),
            "{text}"
        );
    }

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("512m"), Some(512 << 20));
        assert_eq!(size_bytes("4 GiB"), Some(4 << 30));
        assert_eq!(size_bytes("4x"), None);
        assert_eq!(size_bytes("0"), None);
    }
}
