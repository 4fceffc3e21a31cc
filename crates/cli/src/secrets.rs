//! `vivarium secret`: keys that are stored once and handed to machines.

use std::io::{IsTerminal, Read};

use app::{App, untrusted};
use serde_json::{Value, json};
use wire::{
    failure::{Failure, FailureCode},
    secrets::{SecretList, SecretPlace, SecretValue},
};

use crate::{arguments::SecretCommand, ask, commands::call, print};

/// Keys that `vivarium up` takes from its environment: those that `docker-compose.yml` passes on.
const TAKEN: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];
/// More than any key.
const LONGEST: u64 = 1 << 20;

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The app's; [`FailureCode::Cancelled`] if no value is typed.
pub async fn carry_out(app: &App, command: SecretCommand, json: bool) -> Result<u8, Failure> {
    match command {
        SecretCommand::Ls => {
            let list: SecretList = call(app, "secret_list", Value::Null).await?;
            if json {
                print::json(&list);
            } else {
                list.secrets.iter().for_each(|secret| {
                    let machines = machines(&secret.machines);
                    print::row(&format!(
                        "{:<28} {machines:<28} {}",
                        secret.name,
                        place(secret.place, &list)
                    ));
                });
                if let Some(reason) = &list.without_keychain {
                    print::note(&format!("No keychain is used: {reason}."));
                }
            }
        }
        SecretCommand::Set { name, machines } => {
            let list: SecretList = call(app, "secret_list", Value::Null).await?;
            let is_new = !list.secrets.iter().any(|secret| secret.name == name);
            let machines = match machines {
                // A new key is for the machine that is meant; another value is for those that have it.
                given if given.is_empty() && is_new => {
                    Some(vec![app.machine(None)?.name().to_owned()])
                }
                given if given.is_empty() => None,
                given => Some(given),
            };
            let value = read_value(&name).await?;
            let request = json!({ "name": name, "value": value, "machines": machines });
            let list: SecretList = call(app, "secret_set", request).await?;
            told(&list, &name, json);
        }
        SecretCommand::Hand { name, machines } => {
            let request = json!({ "name": name, "machines": machines });
            let list: SecretList = call(app, "secret_hand", request).await?;
            told(&list, &name, json);
        }
        SecretCommand::Rm { name } => {
            let list: SecretList = call(app, "secret_remove", json!({ "name": name })).await?;
            if json {
                print::json(&list);
            } else {
                print::line(&format!("{name} was removed."));
            }
        }
    }
    Ok(0)
}

/// Stores the keys of this process's environment for the machine that is meant, and says so.
///
/// # Errors
/// The app's.
pub async fn take_from_environment(app: &App) -> Result<(), Failure> {
    for name in TAKEN {
        let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) else {
            continue;
        };
        let machine = app.machine(None)?.name().to_owned();
        if app
            .adopt_secret(&machine, name, SecretValue::new(value))
            .await?
        {
            print::note(&format!(
                "{name} was taken from the environment and stored for {}. `vivarium secret rm {name}` removes it.",
                untrusted::row(&machine)
            ));
        }
    }
    Ok(())
}

/// What became of one key.
fn told(list: &SecretList, name: &str, json: bool) {
    if json {
        print::json(list);
        return;
    }
    let Some(secret) = list.secrets.iter().find(|secret| secret.name == name) else {
        return;
    };
    print::row(&format!(
        "{name} is stored in {}, for {}.",
        place(secret.place, list),
        machines(&secret.machines)
    ));
    print::note("MCP servers that start from now on use it. Restart a running server to apply it.");
}

fn place(place: SecretPlace, list: &SecretList) -> String {
    match place {
        SecretPlace::Keychain => "the keychain".into(),
        SecretPlace::File => format!("a file in {}", list.folder),
    }
}

fn machines(names: &[String]) -> String {
    if names.is_empty() {
        "no machine".into()
    } else {
        names.join(", ")
    }
}

/// Asks for the value on a terminal, without showing it; else reads stdin to its end.
async fn read_value(name: &str) -> Result<SecretValue, Failure> {
    if std::io::stdin().is_terminal() {
        return ask::hidden(&format!("Value of {name}: "))
            .await
            .map(SecretValue::new);
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        let mut stdin = std::io::stdin().lock().take(LONGEST);
        stdin.read_to_string(&mut text).map(|_| text)
    });
    let unread = |cause: String| {
        Failure::new(
            FailureCode::Invalid,
            "The value could not be read from stdin",
        )
        .because(cause)
    };
    match read.await {
        Ok(Ok(text)) => Ok(SecretValue::new(text)),
        Ok(Err(error)) => Err(unread(error.to_string())),
        Err(error) => Err(unread(error.to_string())),
    }
}
