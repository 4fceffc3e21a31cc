//! Services that end again and again: nobody waits for them, and what they said last is why.

use wire::body::{LogPage, ServiceList, ServiceState, ServiceStatus};

use super::{
    call::CallError,
    prove::{get, odd},
};

/// A service that ended so often since the boot, and isn't ready, won't be.
const MOST_ENDS: u64 = 6;

/// Fails if one of these services ends again and again, with what it said last.
pub(super) fn check(counts: impl Fn(&str) -> bool) -> Result<(), CallError> {
    // Who can't be asked yet has ended nothing.
    let Ok(list) = get::<ServiceList>("/services") else {
        return Ok(());
    };
    let Some(service) = hopeless(&list, counts) else {
        return Ok(());
    };
    let log = get::<LogPage>(&format!("/services/{}/logs", service.name));
    let text = log.map(|page| page.text).unwrap_or_default();
    Err(odd(ended(service, &text)))
}

/// A service that won't become ready. Those of MCP servers have checks of their own.
fn hopeless(list: &ServiceList, counts: impl Fn(&str) -> bool) -> Option<&ServiceStatus> {
    list.services.iter().find(|service| {
        service.restarts >= MOST_ENDS
            && !matches!(service.state, ServiceState::Ready { .. })
            && !service.name.starts_with("mcp:")
            && counts(&service.name)
    })
}

/// How often it ended, and the last line of its log.
fn ended(service: &ServiceStatus, log: &str) -> String {
    let code = service.last_exit.unwrap_or(-1);
    let last = log
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    format!(
        "{} ended {} times, with exit code {code}: {}",
        service.name,
        service.restarts,
        last.unwrap_or("its log is empty")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_ends_again_and_again_is_given_up_with_its_last_line() {
        let service = |name: &str, restarts, state| ServiceStatus {
            name: name.to_owned(),
            state,
            restarts,
            last_exit: Some(1),
        };
        let (waits, runs) = (
            ServiceState::Backoff { retry_in_ms: 1 },
            ServiceState::Ready {
                pid: 1,
                since_ms: 1,
            },
        );
        let list = |services| ServiceList { services };
        let fine = list(vec![
            service("kernel-main", MOST_ENDS - 1, waits),
            service("xvnc", MOST_ENDS, runs),
            service("mcp:linux", MOST_ENDS, waits),
        ]);
        assert!(hopeless(&fine, |_| true).is_none());
        let broken = list(vec![service("kernel-main", MOST_ENDS, waits)]);
        assert!(hopeless(&broken, |name| name == "xvnc").is_none());
        let found = hopeless(&broken, |_| true).unwrap();
        assert_eq!(
            ended(
                found,
                "Traceback\nModuleNotFoundError: No module named 'gone'\n\n"
            ),
            "kernel-main ended 6 times, with exit code 1: ModuleNotFoundError: No module named 'gone'"
        );
    }
}
