//! Access tokens for programs: made once, shown once, kept as hashes. `tokens.json` in the data folder
//! has all of them; each machine gets a file of those that are for it into its secrets folder, where
//! its supervisor looks at every request.
//!
//! Start reading at `Tokens::create`. `known` is the list as `serve` checks it, `error` what goes wrong.

mod error;
mod known;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use lifecycle::{Machine, MachineOptions, Machines, Paths};
use serde::{Deserialize, Serialize};
use wire::{
    commands::Nothing,
    failure::Failure,
    secrets::SecretValue,
    tokens::{
        CredentialKind, CredentialRequest, CredentialText, Scope, TOKEN_FILE, TOKEN_PREFIX,
        TokenCreateRequest, TokenCreated, TokenEntry, TokenFile, TokenList, TokenName, TokenRecord,
    },
};

use crate::{App, MachineHandle, blocking::on_disk, record_file::RecordFile};
use error::TokenError;
pub(crate) use known::{Bearer, KnownTokens};

/// The most tokens of an instance.
const MOST: usize = 500;

/// A token as the app keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    hash: String,
    scopes: Vec<Scope>,
    /// Ids of the machines that it is for; all of them and the app's API if `None`.
    machines: Option<Vec<String>>,
    created_at_ms: u64,
}

/// The tokens of an instance. Its methods block on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    paths: Paths,
    machines: Machines,
}

type File = RecordFile<Vec<Kept>>;

impl Tokens {
    pub(crate) fn of(options: &MachineOptions) -> Self {
        Self {
            paths: Paths::find(options.home.as_deref(), options.instance.as_deref()),
            machines: Machines::of(options),
        }
    }

    fn path(&self) -> PathBuf {
        self.paths.data_dir.join(TOKEN_FILE)
    }

    fn list(&self) -> Result<TokenList, TokenError> {
        self.shown(&File::read(&self.path())?.records)
    }

    /// Makes one. It counts in machines that are running from now on.
    fn create(&self, request: &TokenCreateRequest) -> Result<TokenCreated, TokenError> {
        check_name(&request.name)?;
        if request.scopes.is_empty() {
            return Err(TokenError::NoScope);
        }
        let mut scopes = request.scopes.clone();
        scopes.sort();
        scopes.dedup();
        let machines = request
            .machines
            .as_deref()
            .map(|names| self.ids(names))
            .transpose()?;
        let mut file = File::lock(&self.path())?;
        if file.records.len() >= MOST {
            return Err(TokenError::TooMany);
        }
        let is_taken = |name: &str| file.records.iter().any(|kept| kept.name == name);
        let name = match (is_taken(&request.name), request.numbered) {
            (false, _) => request.name.clone(),
            (true, false) => {
                return Err(TokenError::Taken {
                    name: request.name.clone(),
                });
            }
            (true, true) => (2..=MOST + 1)
                .map(|number| format!("{}-{number}", request.name))
                .find(|name| !is_taken(name))
                .ok_or(TokenError::TooMany)?,
        };
        let token = new_token();
        let kept = Kept {
            name,
            hash: hash(&token),
            scopes,
            machines,
            created_at_ms: now_ms(),
        };
        file.records.push(kept.clone());
        file.records.sort_by(|a, b| a.name.cmp(&b.name));
        file.write()?;
        self.hand_over(&file.records)?;
        let entry = self.entry(&kept, &self.machines.ids()?);
        Ok(TokenCreated {
            token: SecretValue::new(token),
            entry,
        })
    }

    /// Removes one: machines refuse it from now on.
    fn remove(&self, name: &str) -> Result<TokenList, TokenError> {
        let mut file = File::lock(&self.path())?;
        let before = file.records.len();
        file.records.retain(|kept| kept.name != name);
        if file.records.len() == before {
            return Err(TokenError::Unknown { name: name.into() });
        }
        // The machines first: a token that is no longer listed opens nothing.
        self.hand_over(&file.records)?;
        file.write()?;
        self.shown(&file.records)
    }

    /// Gives a machine, by its id, what it is to know.
    pub(crate) fn hand_to(&self, id: &str) -> Result<(), TokenError> {
        let file = File::lock(&self.path())?;
        self.hand_one(&file.records, id)
    }

    /// Takes everything from a machine that is removed.
    fn forget_machine(&self, id: &str) -> Result<(), TokenError> {
        let mut file = File::lock(&self.path())?;
        self.paths.take_back(id, TOKEN_FILE)?;
        for machines in file
            .records
            .iter_mut()
            .filter_map(|kept| kept.machines.as_mut())
        {
            machines.retain(|known| known != id);
        }
        Ok(file.write()?)
    }

    fn hand_over(&self, tokens: &[Kept]) -> Result<(), TokenError> {
        for (_, id) in self.machines.ids()? {
            self.hand_one(tokens, &id)?;
        }
        Ok(())
    }

    fn hand_one(&self, tokens: &[Kept], id: &str) -> Result<(), TokenError> {
        let is_for = |kept: &&Kept| {
            let machines = kept.machines.as_ref();
            machines.is_none_or(|machines| machines.iter().any(|known| known == id))
        };
        let records = tokens.iter().filter(is_for).map(|kept| TokenRecord {
            name: kept.name.clone(),
            hash: kept.hash.clone(),
            scopes: kept.scopes.clone(),
        });
        let file = TokenFile {
            tokens: records.collect(),
        };
        if file.tokens.is_empty() {
            return Ok(self.paths.take_back(id, TOKEN_FILE)?);
        }
        let text = serde_json::to_string(&file).map_err(TokenError::Unwritten)?;
        Ok(self.paths.hand_over(id, TOKEN_FILE, &text)?)
    }

    fn ids(&self, names: &[String]) -> Result<Vec<String>, TokenError> {
        let known = self.machines.ids()?;
        let id = |name: &String| match known.iter().find(|(known, _)| known == name) {
            Some((_, id)) => Ok(id.clone()),
            None => Err(TokenError::NoMachine {
                name: name.clone(),
                known: known.iter().map(|(name, _)| name.clone()).collect(),
            }),
        };
        names.iter().map(id).collect()
    }

    fn shown(&self, tokens: &[Kept]) -> Result<TokenList, TokenError> {
        let known = self.machines.ids()?;
        let tokens = tokens.iter().map(|kept| self.entry(kept, &known)).collect();
        Ok(TokenList { tokens })
    }

    fn entry(&self, kept: &Kept, known: &[(String, String)]) -> TokenEntry {
        let named = |ids: &Vec<String>| {
            let named = known.iter().filter(|(_, id)| ids.contains(id));
            named.map(|(name, _)| name.clone()).collect()
        };
        TokenEntry {
            name: kept.name.clone(),
            scopes: kept.scopes.clone(),
            machines: kept.machines.as_ref().map(named),
            created_at_ms: kept.created_at_ms,
        }
    }
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if (1..=64).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    let name = name.chars().take(64).collect();
    Err(TokenError::Name { name })
}

/// 160 random bits, behind what every token begins with.
fn new_token() -> String {
    let bytes = rand::random::<[u8; 20]>();
    let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
    TOKEN_PREFIX.chars().map(String::from).chain(hex).collect()
}

/// What is kept of a token: it is too long to be guessed from it.
fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl App {
    pub(crate) async fn token_list(&self, _: Nothing) -> Result<TokenList, Failure> {
        self.with_tokens(|tokens| tokens.list()).await
    }

    pub(crate) async fn token_create(
        &self,
        request: TokenCreateRequest,
    ) -> Result<TokenCreated, Failure> {
        self.with_tokens(move |tokens| tokens.create(&request))
            .await
    }

    pub(crate) async fn token_remove(&self, token: TokenName) -> Result<TokenList, Failure> {
        self.with_tokens(move |tokens| tokens.remove(&token.name))
            .await
    }

    /// Takes everything from a machine that is removed.
    pub(crate) async fn forget_tokens_of(&self, id: String) -> Result<(), Failure> {
        self.with_tokens(move |tokens| tokens.forget_machine(&id))
            .await
    }

    async fn with_tokens<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tokens) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, Failure> {
        let tokens = Tokens::of(&self.inner.shared.options);
        on_disk(move || work(&tokens).map_err(Failure::from)).await
    }
}

impl MachineHandle {
    /// Gives the machine the tokens that were made before it was there.
    pub(crate) async fn know_tokens(&self, machine: &Machine) -> Result<(), Failure> {
        let (tokens, id) = (Tokens::of(&self.inner.options), machine.id().to_owned());
        on_disk(move || tokens.hand_to(&id).map_err(Failure::from)).await
    }

    /// Makes a token.
    pub(crate) async fn create_token(
        &self,
        request: TokenCreateRequest,
    ) -> Result<TokenCreated, Failure> {
        let tokens = Tokens::of(&self.inner.options);
        on_disk(move || tokens.create(&request).map_err(Failure::from)).await
    }

    /// One of the credentials that the machine made for itself.
    pub(crate) async fn machine_credential(
        &self,
        request: CredentialRequest,
    ) -> Result<CredentialText, Failure> {
        let file = match request.credential {
            CredentialKind::Token => "os_token",
            CredentialKind::VncPassword => "vnc_password",
        };
        let text = SecretValue::new(self.machine()?.secret(file)?);
        Ok(CredentialText { text })
    }
}
