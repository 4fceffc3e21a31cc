//! `vivarium token`: access tokens for programs.

use app::App;
use serde_json::{Value, json};
use wire::{
    failure::Failure,
    tokens::{TokenCreated, TokenEntry, TokenList},
};

use crate::{arguments::TokenCommand, commands::call, print};

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The app's.
pub async fn carry_out(app: &App, command: TokenCommand, json: bool) -> Result<u8, Failure> {
    match command {
        TokenCommand::Create {
            name,
            scopes,
            machines,
        } => {
            let machines = (!machines.is_empty()).then_some(machines);
            let request = json!({ "name": name, "scopes": scopes, "machines": machines });
            let made: TokenCreated = call(app, "token_create", request).await?;
            if json {
                print::json(&made);
            } else {
                print::note("This token is shown once. Vivarium keeps only its hash.");
                print::line(made.token.reveal());
            }
        }
        TokenCommand::Ls => {
            let list: TokenList = call(app, "token_list", Value::Null).await?;
            if json {
                print::json(&list);
            } else {
                list.tokens.iter().for_each(|token| print::row(&row(token)));
            }
        }
        TokenCommand::Rm { name } => {
            let list: TokenList = call(app, "token_remove", json!({ "name": name })).await?;
            if json {
                print::json(&list);
            } else {
                print::line(&format!("The token {name} was removed."));
            }
        }
    }
    Ok(0)
}

fn row(token: &TokenEntry) -> String {
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    let machines = match &token.machines {
        None => "all machines and the API".to_owned(),
        Some(machines) if machines.is_empty() => "no machine".to_owned(),
        Some(machines) => machines.join(", "),
    };
    format!("{:<24} {:<24} {machines}", token.name, scopes.join(" "))
}
