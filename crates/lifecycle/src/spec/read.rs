//! Reads a spec, with what was set over it, and says what is wrong with it and where.

use std::path::Path;

use serde::Deserialize;

use super::{Spec, size_bytes};

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

/// Whether this can name a machine: what engines take as a container's name, not too long.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

impl Spec {
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

    /// What types can't say.
    fn check(&self) -> Result<(), (&'static str, String)> {
        for (field, name) in [
            ("name", &self.name),
            ("id", &self.id),
            ("image", &self.image),
        ] {
            if !(is_name(name) || field == "id" && name.is_empty()) {
                return Err((
                    field,
                    format!("{name:?} isn't a valid name: use letters, digits, _ . -"),
                ));
            }
        }
        if self.base.is_empty() || self.base.contains(char::is_whitespace) {
            return Err(("base", format!("invalid image name: {:?}", self.base)));
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
                return Err((
                    name,
                    format!("invalid size: {size:?} (expected, for example, 512m or 4g)"),
                ));
            }
        }
        if !(self.limits.cpus.is_finite() && self.limits.cpus >= 0.0) {
            return Err((
                "cpus",
                format!("invalid number of CPUs: {}", self.limits.cpus),
            ));
        }
        for mount in &self.mounts {
            if !(mount.source.starts_with('/') || mount.source.starts_with("~/"))
                || mount.source.contains(':')
            {
                return Err((
                    "source",
                    format!(
                        "invalid path: {:?} (expected an absolute path without a colon)",
                        mount.source
                    ),
                ));
            }
            if !mount.target.starts_with('/') || mount.target.contains(':') {
                return Err((
                    "target",
                    format!(
                        "invalid path: {:?} (expected an absolute path without a colon)",
                        mount.target
                    ),
                ));
            }
        }
        for name in self.environment.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(("environment", format!("invalid variable name: {name:?}")));
            }
            let upper = name.to_ascii_uppercase();
            if ["_API_KEY", "_TOKEN", "PASSWORD", "_SECRET"]
                .iter()
                .any(|end| upper.ends_with(end))
            {
                return Err((
                    "environment",
                    format!(
                        "{name} looks like a secret: store it as a file in the machine's secrets folder"
                    ),
                ));
            }
        }
        Ok(())
    }
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
    use crate::spec::{Ports, Profile};

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
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            (
                "name = \"a\"\n\n[ports]\nkernle = 1\n",
                "line 4: kernle: unknown field",
            ),
            (
                "[ports]\nkernel = \"high\"\n",
                "line 2: kernel: invalid type",
            ),
            (
                "name = \"ok\"\n[limits]\nmemory = \"much\"\n",
                "line 3: memory: invalid size: \"much\"",
            ),
        ] {
            let text = error(text);
            assert!(text.starts_with(&format!("machine.toml, {told}")), "{text}");
        }
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
}
