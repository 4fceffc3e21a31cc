//! `sandbox allow` and `sandbox deny`: whether a machine's programs may use sandboxes.

use app::App;
use serde_json::json;
use wire::{
    failure::Failure,
    sandbox_call::{SandboxAccess, SandboxAccessState},
};

use crate::{commands::call, print};

/// Says so for the machine that is meant, and prints what counts now.
pub async fn set(app: &App, access: SandboxAccess, json: bool) -> Result<u8, Failure> {
    let machine = app.machine(None)?.name().to_owned();
    let state: SandboxAccessState = call(app, "sandbox_access_set", json!(access)).await?;
    if json {
        print::json(&state);
    } else {
        print::line(&words(&machine, state.access));
    }
    Ok(0)
}

fn words(machine: &str, access: SandboxAccess) -> String {
    if access.allowed {
        let network = access.network.as_str();
        format!(
            "Programs in {machine} may use sandboxes (network: {network} at most). Its MCP server sandbox works while the app or vivarium serve runs."
        )
    } else {
        format!("Sandboxes are turned off for programs in {machine}.")
    }
}

#[cfg(test)]
mod tests {
    use wire::sandbox::NetworkMode;

    use super::*;

    #[test]
    fn what_counts_now_is_told() {
        let allowed = SandboxAccess {
            allowed: true,
            network: NetworkMode::Internet,
        };
        let told = words("lab", allowed);
        assert!(
            told.contains("lab may use") && told.contains("internet"),
            "{told}"
        );
        let told = words("lab", SandboxAccess::default());
        assert!(told.contains("turned off"), "{told}");
    }
}
