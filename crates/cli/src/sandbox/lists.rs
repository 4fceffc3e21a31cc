//! What there is: sandboxes, the pool, a command's output; and how they go.

use serde::Deserialize;
use serde_json::Value;
use wire::{
    failure::{Failure, FailureCode},
    sandbox::{DiskKind, ExecView, NetworkMode, PoolView, SandboxState, SandboxView},
};

use super::{
    api::Api,
    attach::{Output, follow},
};
use crate::print;

#[derive(Deserialize)]
struct Sessions {
    sessions: Vec<SandboxView>,
}

#[derive(Deserialize)]
struct Execs {
    execs: Vec<ExecView>,
}

/// `sandbox ls`.
pub async fn sandboxes(api: &Api, all: bool, json: bool) -> Result<u8, Failure> {
    let Sessions { mut sessions } = api.get("/sessions").await?;
    let is_there =
        |view: &SandboxView| matches!(view.state, SandboxState::Running | SandboxState::Paused);
    sessions.retain(|view| all || is_there(view));
    if json {
        print::json(&sessions);
    } else if sessions.is_empty() {
        print::note("No sandboxes.");
    } else {
        sessions.iter().for_each(|view| print::row(&row(view)));
    }
    Ok(0)
}

fn row(view: &SandboxView) -> String {
    let state = match view.state {
        SandboxState::Running if !view.responding => "not responding",
        SandboxState::Running => "running",
        SandboxState::Paused => "paused",
        SandboxState::Lost => "lost",
        SandboxState::Ended => "ended",
    };
    let network = network(view.network);
    let owner = match (&view.owner, &view.machine) {
        (Some(token), _) => token.clone(),
        (None, Some(machine)) => format!("machine {machine}"),
        (None, None) => "-".into(),
    };
    let memory = match &view.usage {
        Some(usage) => format!(
            "{} of {} MiB",
            usage.memory_bytes >> 20,
            view.limits.memory_mb
        ),
        None => format!("{} MiB", view.limits.memory_mb),
    };
    let files = match view.disk {
        DiskKind::Memory => "",
        DiskKind::Volume => " + disk",
    };
    let left_s = (i128::from(view.ends_at_ms) - i128::from(now_ms())) / 1000;
    let left = match view.state {
        SandboxState::Running => format!("{} left", time(left_s.max(0))),
        _ => view.reason.clone().unwrap_or_default(),
    };
    format!(
        "{:<28} {state:<8} {:<20} {network:<9} {:<16} {owner:<12} {left}",
        view.sandbox_id.as_str(),
        view.image,
        memory + files,
    )
}

fn network(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::None => "none",
        NetworkMode::Isolated => "isolated",
        NetworkMode::Internet => "internet",
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn time(seconds: i128) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// `sandbox pool`.
pub async fn pool(api: &Api, json: bool) -> Result<u8, Failure> {
    let pool: PoolView = api.get("/pool").await?;
    if json {
        print::json(&pool);
        return Ok(0);
    }
    for shape in &pool.shapes {
        let limits = &shape.limits;
        print::row(&format!(
            "{:<24} {} MiB, {} CPU, {:<9} {} of {} ready, {} hits, {} misses",
            shape.image,
            limits.memory_mb,
            limits.cpus,
            network(shape.network),
            shape.ready,
            shape.size,
            shape.hits,
            shape.misses,
        ));
        if let Some(failure) = &shape.failure {
            print::row(&format!("  {failure}"));
        }
    }
    if pool.shapes.is_empty() {
        print::note("Nothing is kept ready: vivarium serve keeps a pool as long as it runs.");
    }
    if pool.under_pressure {
        print::note("The pool was emptied because memory is short.");
    }
    Ok(0)
}

/// `sandbox logs`.
pub async fn logs(
    api: &Api,
    id: &str,
    exec: Option<&str>,
    follows: bool,
    json: bool,
) -> Result<u8, Failure> {
    let path = format!("/sessions/{}/exec", machine_client::segment(id));
    let Execs { execs } = api.get(&path).await?;
    let found = match exec {
        Some(exec) => execs.iter().find(|view| view.exec_id == exec),
        None => execs.last(),
    };
    let view = found
        .ok_or_else(|| Failure::new(FailureCode::NotFound, "Command not found in the sandbox"))?;
    if json {
        print::json(view);
        return Ok(0);
    }
    let path = format!(
        "{path}/{}/events?encoding=base64",
        machine_client::segment(&view.exec_id)
    );
    let mut events = api.events::<Value>(&path, None).await?;
    let mut output = Output::new(false);
    let following = follow(&mut events, &mut output);
    if follows || view.exit_code.is_some() {
        following.await?;
        return Ok(0);
    }
    // What there is comes at once; what a running command says later is for those who follow.
    let told = tokio::time::timeout(print::PAUSE, following).await;
    told.map_or(Ok(0), |ended| ended.map(|_| 0))
}

/// `sandbox rm`.
pub async fn remove(api: &Api, ids: &[String], json: bool) -> Result<u8, Failure> {
    for id in ids {
        let path = format!("/sessions/{}", machine_client::segment(id));
        let answer: Value = api.delete(&path).await?;
        if json {
            print::json(&answer);
        } else {
            print::line(answer["message"].as_str().unwrap_or_default());
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(
            [0, 119, 120, 7199, 7200].map(time),
            ["0 s", "119 s", "2 min", "119 min", "2 h"]
        );
    }
}
