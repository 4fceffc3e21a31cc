//! `vivarium serve`: the app's API for programs, and its pages for a browser.

use std::io::IsTerminal;

use app::{Addresses, App, ServeOptions};
use serde_json::json;
use tokio::sync::mpsc;
use wire::failure::Failure;

use crate::{commands::terminated, print};

/// Serves until Ctrl-C or SIGTERM.
pub async fn serve(app: &App, options: ServeOptions, json: bool) -> Result<u8, Failure> {
    let no_token = options.no_token;
    let served = app.bind(options).await?;
    app.carry_out_wishes();
    let addresses = served.addresses();
    if json {
        let pages = addresses.as_ref().map(Addresses::address);
        let (url, address, token) = (served.url(), served.address(), served.token());
        print::json(&json!({ "url": url, "address": address, "pages": pages, "token": token }));
    } else {
        print::line(&served.url());
        if addresses.is_some() {
            print::note(&format!("The API listens on http://{}.", served.address()));
        }
        if no_token {
            print::note(
                "Warning: the API asks for no token. Whoever can connect controls your machines.",
            );
        }
    }
    let more = more_addresses(addresses.filter(|_| !json));
    tokio::select! {
        () = more => {}
        ended = served.run(app) => ended?,
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
    Ok(0)
}

/// Prints another address for each line on the terminal: one opens one browser. Never ends.
async fn more_addresses(addresses: Option<Addresses>) {
    if let Some(addresses) = addresses
        && std::io::stdin().is_terminal()
    {
        print::note("It opens one browser, within ten minutes. Press Enter for another address.");
        let (lines, mut asked) = mpsc::channel(1);
        // Nobody waits for its end, which comes with the process.
        tokio::task::spawn_blocking(move || {
            for _ in std::io::stdin().lines().map_while(Result::ok) {
                if lines.blocking_send(()).is_err() {
                    return;
                }
            }
        });
        while asked.recv().await.is_some() {
            print::line(&addresses.url());
        }
    }
    std::future::pending().await
}
