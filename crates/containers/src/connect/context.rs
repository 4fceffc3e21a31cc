//! Docker's contexts: named engines that its client keeps in `~/.docker`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::address::{Address, Certificates};
use crate::error::EngineError;

/// A context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// Its name.
    pub name: String,
    /// The engine's address, as it is written there.
    pub host: String,
    /// Where its certificates are, where it has any.
    certificates: Option<PathBuf>,
    /// Whether it wants TLS whose certificates nobody checks.
    unchecked: bool,
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default)]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// Docker's folder: `DOCKER_CONFIG`, else `~/.docker`.
pub(crate) fn config_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG").map_or_else(
        || PathBuf::from(set("HOME").unwrap_or_else(|| "/root".into())).join(".docker"),
        PathBuf::from,
    )
}

/// Name of the context that Docker's client would take, but for its default one.
pub(crate) fn current(config: &Path) -> Option<String> {
    let set = std::env::var("DOCKER_CONTEXT").ok();
    let name = set.filter(|name| !name.is_empty()).or_else(|| {
        let text = fs::read_to_string(config.join("config.json")).ok()?;
        serde_json::from_str::<ConfigFile>(&text)
            .ok()
            .map(|file| file.current_context)
    })?;
    (!name.is_empty() && name != "default").then_some(name)
}

/// All contexts that can be read, by name.
pub(crate) fn all(config: &Path) -> Vec<Context> {
    let folders = fs::read_dir(config.join("contexts/meta"));
    let mut contexts: Vec<Context> = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|folder| {
            let text = fs::read_to_string(folder.path().join("meta.json")).ok()?;
            let meta: Meta = serde_json::from_str(&text).ok()?;
            let docker = meta.endpoints.docker?;
            let certificates = config
                .join("contexts/tls")
                .join(folder.file_name())
                .join("docker");
            Some(Context {
                name: meta.name,
                host: docker.host,
                certificates: certificates.is_dir().then_some(certificates),
                unchecked: docker.skip_tls_verify,
            })
        })
        .collect();
    contexts.sort_by(|a, b| a.name.cmp(&b.name));
    contexts
}

impl Context {
    /// The engine's address.
    ///
    /// # Errors
    /// [`EngineError::Address`].
    pub(crate) fn address(&self) -> Result<Address, EngineError> {
        if self.unchecked {
            return Err(EngineError::Address {
                endpoint: self.host.clone(),
                reason: "the context skips the verification of the engine's certificate, which is not supported: \
                         give the context a ca.pem"
                    .into(),
            });
        }
        let certificates = self.certificates.clone();
        Address::parse(
            &self.host,
            certificates.map(|folder| Certificates { folder }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(metas: &[(&str, &str)]) -> tempfile::TempDir {
        let config = tempfile::tempdir().unwrap();
        for (id, meta) in metas {
            let folder = config.path().join("contexts/meta").join(id);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("meta.json"), meta).unwrap();
        }
        config
    }

    const COLIMA: &str = r#"{"Name":"colima","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///c.sock","SkipTLSVerify":false}}}"#;
    const FAR: &str = r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:1","SkipTLSVerify":true}}}"#;

    #[test]
    fn contexts_are_read_and_damaged_ones_left_out() {
        let config = config(&[("b", FAR), ("a", COLIMA), ("c", "{")]);
        let contexts = all(config.path());
        let names: Vec<&str> = contexts.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["colima", "far"]);
        let address = contexts[0].address().unwrap();
        assert_eq!(address, Address::parse("/c.sock", None).unwrap());
        assert!(contexts[1].address().is_err());
    }

    #[test]
    fn a_context_has_its_own_certificates() {
        let config = config(&[("a", &FAR.replace("true", "false"))]);
        let folder = config.path().join("contexts/tls/a/docker");
        fs::create_dir_all(&folder).unwrap();
        let address = all(config.path())[0].address().unwrap();
        let Address::Tcp { tls, .. } = address else {
            panic!("{address:?}")
        };
        assert_eq!(tls, Some(Certificates { folder }));
    }

    #[test]
    fn the_default_context_is_none() {
        let config = config(&[]);
        let write = |text| fs::write(config.path().join("config.json"), text).unwrap();
        assert_eq!(current(config.path()), None);
        write(r#"{"auths":{},"currentContext":"colima"}"#);
        assert_eq!(current(config.path()).as_deref(), Some("colima"));
        write(r#"{"currentContext":"default"}"#);
        assert_eq!(current(config.path()), None);
        write("{}");
        assert_eq!(current(config.path()), None);
    }
}
