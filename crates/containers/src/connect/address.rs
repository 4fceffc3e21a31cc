//! An engine's address, as people and `DOCKER_HOST` write it.

use std::path::PathBuf;

use crate::error::EngineError;

/// Where an engine is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket of this computer.
    Unix {
        /// Its file.
        path: PathBuf,
    },
    /// HTTP, with or without TLS.
    Tcp {
        /// `host:port`.
        authority: String,
        /// Certificates, where TLS is spoken.
        tls: Option<Certificates>,
    },
    /// The system's `ssh`, at whose other end Docker's client speaks with the engine.
    Ssh(Ssh),
}

/// Where ssh leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ssh {
    /// `user@`, where it is given.
    pub user: Option<String>,
    /// Host, also one of `~/.ssh/config`.
    pub host: String,
    /// Port, where it is given.
    pub port: Option<u16>,
    /// Socket there, instead of the usual one.
    pub socket: Option<String>,
}

/// A folder's `ca.pem`, `cert.pem` and `key.pem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// The folder.
    pub folder: PathBuf,
}

impl Address {
    /// Reads `unix://`, `tcp://`, `https://`, `ssh://` addresses; a bare absolute path is a
    /// socket. `certificates` are those of a TLS address.
    ///
    /// # Errors
    /// [`EngineError::Address`].
    pub(crate) fn parse(
        text: &str,
        certificates: Option<Certificates>,
    ) -> Result<Self, EngineError> {
        let wrong = |reason: &str| EngineError::Address {
            endpoint: text.into(),
            reason: reason.into(),
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(parts) => parts,
            None if text.starts_with('/') => ("unix", text),
            None => {
                return Err(wrong(
                    "expected a unix://, tcp://, https:// or ssh:// address, or the name of a Docker context",
                ));
            }
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix { path: rest.into() }),
            "unix" => Err(wrong(
                "the path of a socket must be absolute: unix:///run/docker.sock",
            )),
            "tcp" | "http" | "https" => {
                let authority = rest.trim_end_matches('/');
                if authority.is_empty() || authority.contains(['/', '@']) {
                    return Err(wrong("expected a host and a port: tcp://host:2376"));
                }
                let encrypted = scheme == "https" || authority.ends_with(":2376");
                let tls = certificates.or_else(|| encrypted.then(Certificates::usual));
                let port = if tls.is_some() { 2376 } else { 2375 };
                let has_port = authority
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                Ok(Self::Tcp {
                    authority: if has_port {
                        authority.into()
                    } else {
                        format!("{authority}:{port}")
                    },
                    tls: tls.filter(|_| scheme != "http"),
                })
            }
            "ssh" => ssh(rest)
                .map(Self::Ssh)
                .ok_or_else(|| wrong("expected a host: ssh://user@host")),
            "npipe" => Err(wrong("named pipes are only supported on Windows")),
            _ => Err(wrong(
                "only unix://, tcp://, https:// and ssh:// are supported",
            )),
        }
    }

    /// Whether the engine sees this computer's folders, and publishes ports on its loopback.
    pub(crate) fn is_local(&self) -> bool {
        let host = match self {
            Self::Unix { .. } => return true,
            Self::Tcp { authority, .. } => authority.rsplit_once(':').map_or("", |(host, _)| host),
            Self::Ssh(ssh) => &ssh.host,
        };
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// `[user@]host[:port][/socket]`.
fn ssh(rest: &str) -> Option<Ssh> {
    let (authority, socket) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(&rest[at..]).filter(|path| path.len() > 1)),
        None => (rest, None),
    };
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (place, None),
    };
    let host = host.trim_matches(['[', ']']);
    // A host that begins with a dash would be an option of ssh's.
    let is_plain = |text: &str| {
        !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace)
    };
    (is_plain(host) && user.is_none_or(is_plain)).then(|| Ssh {
        user: user.map(Into::into),
        host: host.into(),
        port,
        socket: socket.map(Into::into),
    })
}

impl Certificates {
    /// `DOCKER_CERT_PATH`, else Docker's own folder.
    pub(crate) fn usual() -> Self {
        let given = std::env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty());
        Self {
            folder: given.map_or_else(super::context::config_dir, PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text, None).unwrap()
    }

    #[test]
    fn sockets_and_hosts() {
        let socket = Address::Unix {
            path: "/run/docker.sock".into(),
        };
        assert_eq!(parse("unix:///run/docker.sock"), socket);
        assert_eq!(parse("/run/docker.sock"), socket);
        let plain = |authority: &str| Address::Tcp {
            authority: authority.into(),
            tls: None,
        };
        assert_eq!(parse("tcp://far:2375"), plain("far:2375"));
        assert_eq!(parse("tcp://far"), plain("far:2375"));
        assert_eq!(parse("tcp://[::1]:99"), plain("[::1]:99"));
        let encrypted = |text| matches!(parse(text), Address::Tcp { tls: Some(_), .. });
        assert!(encrypted("tcp://far:2376") && encrypted("https://far:1"));
        assert!(!encrypted("http://far:2376"));
    }

    #[test]
    fn ssh_has_user_host_port_and_socket() {
        let all = Ssh {
            user: Some("ann".into()),
            host: "far".into(),
            port: Some(22),
            socket: Some("/run/podman/podman.sock".into()),
        };
        let text = "ssh://ann@far:22/run/podman/podman.sock";
        assert_eq!(parse(text), Address::Ssh(all));
        let Address::Ssh(short) = parse("ssh://far") else {
            panic!("no ssh")
        };
        assert_eq!((short.host.as_str(), short.port), ("far", None));
    }

    #[test]
    fn what_can_not_be_spoken_is_refused() {
        for text in [
            "ftp://x",
            "far",
            "unix://run",
            "tcp://",
            "tcp://a/b",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://a b",
        ] {
            let refused = Address::parse(text, None);
            assert!(
                matches!(refused, Err(EngineError::Address { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn loopback_is_this_computer() {
        for here in [
            "/a",
            "tcp://127.0.0.1:1",
            "tcp://[::1]:1",
            "ssh://localhost",
        ] {
            assert!(parse(here).is_local(), "{here}");
        }
        for far in ["tcp://10.0.0.1:1", "ssh://ann@far"] {
            assert!(!parse(far).is_local(), "{far}");
        }
    }
}
