//! How to serve.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Address of the API.
    pub listen: IpAddr,
    /// Port of the API; 0 for any free one.
    pub port: u16,
    /// The UI's pages too, at a port of their own on loopback.
    pub ui: bool,
    /// Port of the pages; 0 for any free one.
    pub ui_port: u16,
    /// Names beside those of loopback by which the API may be called.
    pub allowed_hosts: Vec<String>,
    /// Whether the API asks for no token.
    pub no_token: bool,
    /// Whether it stays: then started sandboxes wait for those who will ask for one, and other
    /// commands of this user find it.
    pub is_lasting: bool,
    /// Whether this process runs tasks, as the settings say.
    pub runs_tasks: bool,
}

impl Default for ServeOptions {
    /// The API on loopback at any free port.
    fn default() -> Self {
        Self {
            listen: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            ui: false,
            ui_port: 0,
            allowed_hosts: Vec::new(),
            no_token: false,
            is_lasting: true,
            runs_tasks: true,
        }
    }
}

impl ServeOptions {
    /// Names as `VIVARIUM_ALLOWED_HOSTS` lists them: with commas between, each with or without a port.
    #[must_use]
    pub fn allowed_hosts(text: &str) -> Vec<String> {
        let names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
        names.filter(|name| !name.is_empty()).collect()
    }

    pub(super) fn address(&self) -> SocketAddr {
        (self.listen, self.port).into()
    }

    /// Refuses an API without tokens that others could reach.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let is_in_container =
            || Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
        self.check_in(is_in_container())
    }

    fn check_in(&self, is_in_container: bool) -> Result<(), Failure> {
        if !self.no_token || self.listen.is_loopback() || is_in_container {
            return Ok(());
        }
        let message = format!("Serving on {} needs tokens", self.listen);
        Err(Failure::new(FailureCode::Invalid, message)
            .because("without them, whoever can connect controls your machines")
            .next(Advice::ListenOnLoopback))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_for_loopback_and_containers() {
        let check = |listen: &str, no_token, is_in_container| {
            let options = ServeOptions {
                listen: listen.parse().unwrap(),
                no_token,
                ..Default::default()
            };
            options.check_in(is_in_container).is_ok()
        };
        for (listen, others, in_container) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("0.0.0.0", false, true),
            ("192.0.2.1", false, true),
        ] {
            assert_eq!(check(listen, true, false), others, "{listen}");
            assert_eq!(check(listen, true, true), in_container, "{listen}");
            assert!(check(listen, false, false), "{listen}");
        }
    }

    #[test]
    fn allowed_hosts_are_a_list() {
        let hosts = ServeOptions::allowed_hosts(" Vivarium.lan, api:8000 ,,");
        assert_eq!(hosts, ["vivarium.lan", "api:8000"]);
    }
}
