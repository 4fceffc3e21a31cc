//! `vivarium machine`: which machines there are, and how one is added, renamed and removed.

use app::{App, untrusted};
use serde_json::{Value, json};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    machine::MachineStatus,
    machines::{MachineCreateRequest, MachineList, MachineMount},
};

use crate::{arguments::MachineCommand, ask, commands::call, print};

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The app's.
pub async fn carry_out(app: &App, command: MachineCommand, json: bool) -> Result<u8, Failure> {
    let list: MachineList = match command {
        MachineCommand::Ls => return ls(app, json).await,
        MachineCommand::Create {
            name,
            profile,
            base,
            mounts,
            memory,
            cpus,
        } => {
            let request = MachineCreateRequest {
                name,
                profile,
                base,
                mounts: mounts
                    .iter()
                    .map(|text| mount(text))
                    .collect::<Result<_, _>>()?,
                memory,
                cpus,
            };
            call(app, "machine_create", json!(request)).await?
        }
        MachineCommand::Rename { name, new_name } => {
            let request = json!({ "name": name, "new_name": new_name });
            call(app, "machine_rename", request).await?
        }
        MachineCommand::Rm {
            name,
            home_volume,
            yes,
        } => {
            if !yes {
                ask::remove(&name, home_volume).await?;
            }
            let request = json!({ "name": name, "home": home_volume });
            call(app, "machine_delete", request).await?
        }
    };
    if json {
        print::json(&list);
    } else {
        for machine in list.machines {
            print::line(&untrusted::row(&machine.name));
        }
    }
    Ok(0)
}

async fn ls(app: &App, json: bool) -> Result<u8, Failure> {
    let list: MachineList = call(app, "machine_list", Value::Null).await?;
    for machine in &list.machines {
        let status = app
            .rpc(Some(&machine.name), "machine_status", Value::Null)
            .await;
        if json {
            let line = match status {
                Ok(status) => json!({ "name": machine.name, "status": status }),
                Err(failure) => json!({ "name": machine.name, "failure": failure }),
            };
            print::json(&line);
            continue;
        }
        let status = status.map(serde_json::from_value::<MachineStatus>);
        let (state, addresses) = match status {
            Ok(Ok(status)) => (
                print::state(status.state).to_owned(),
                status
                    .addresses
                    .map(|addresses| addresses.kernel)
                    .unwrap_or_default(),
            ),
            Ok(Err(_)) => ("unknown".to_owned(), String::new()),
            Err(failure) => (failure.message, String::new()),
        };
        let line = format!(
            "{:<20} {state:<12} {addresses}",
            untrusted::row(&machine.name)
        );
        print::line(line.trim_end());
    }
    Ok(0)
}

/// `SOURCE:TARGET`, or `SOURCE:TARGET:ro`, as Docker writes it. A source may be a path of Windows.
fn mount(text: &str) -> Result<MachineMount, Failure> {
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(rest) => (rest, true),
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    match text.rsplit_once(':') {
        Some((source, target)) if target.starts_with('/') && !source.is_empty() => {
            Ok(MachineMount {
                source: source.to_owned(),
                target: target.to_owned(),
                read_only,
            })
        }
        _ => Err(Failure::new(
            FailureCode::Invalid,
            format!("{text:?} isn't a valid mount"),
        )
        .because("expected SOURCE:TARGET or SOURCE:TARGET:ro, with an absolute path as target")
        .next(Advice::text(
            "For example: --mount ~/Downloads:/host_downloads:ro",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_docker_writes_them() {
        let read = |text| mount(text).map(|mount| (mount.source, mount.target, mount.read_only));
        let all = [
            ("~/a:/b", ("~/a", "/b", false)),
            ("/a:/b:ro", ("/a", "/b", true)),
            ("/a:/b:rw", ("/a", "/b", false)),
            ("C:\\Users\\ada:/c", ("C:\\Users\\ada", "/c", false)),
        ];
        for (text, (source, target, read_only)) in all {
            let expected = (source.to_owned(), target.to_owned(), read_only);
            assert_eq!(read(text).ok(), Some(expected), "{text}");
        }
        for text in ["/a", "/a:", "/a:b", ":/b", "C:\\a"] {
            assert!(mount(text).is_err(), "{text}");
        }
    }
}
