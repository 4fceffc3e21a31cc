//! How a container that is there differs from the one that the machine's spec asks for: what the
//! engine can change in place, and what only another container can have.

use containers::{Bind, Container, ContainerSpec, Limits};

use crate::plan::{self, label};

/// A part of a container that can't be changed while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It runs another image.
    Image,
    /// Other folders or volumes are mounted.
    Mounts,
    /// Its ports are published elsewhere.
    Ports,
    /// A limit that can't be changed while it runs.
    Limits,
    /// Anything else of its settings.
    Settings,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Image => "its image",
            Self::Mounts => "its folders",
            Self::Ports => "its ports",
            Self::Limits => "one of its limits",
            Self::Settings => "its settings",
        })
    }
}

/// Several of them, in words.
pub(crate) fn list(differences: &[Difference]) -> String {
    let words: Vec<String> = differences.iter().map(Difference::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// A container beside its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// What only another container can have.
    pub differences: Vec<Difference>,
    /// Whether limits are to be changed in place.
    pub limits: bool,
}

/// Compares a container with the plan for this image.
pub(crate) fn compare(container: &Container, plan: &ContainerSpec, image_id: &str) -> Comparison {
    let is_planned = is_made_as(container, plan, image_id);
    // The digest of a machine that replaces itself leaves its image out.
    let is_of_image = container.image_id == image_id;
    let mut differences = Vec::new();
    if !is_of_image {
        differences.push(Difference::Image);
    }
    if !is_planned {
        let has_other_port = plan.ports.iter().any(|port| {
            let published = container.ports.get(&port.container);
            port.host != 0 && published.is_some_and(|published| *published != port.host)
        });
        if has_other_port {
            differences.push(Difference::Ports);
        }
        if mounts(&container.mounts) != mounts(&plan.binds) {
            differences.push(Difference::Mounts);
        }
        if differences.is_empty() {
            differences.push(Difference::Settings);
        }
    }
    Comparison {
        limits: !same_limits(&container.limits, &plan.limits),
        differences,
    }
}

/// Whether a container was made after this plan, by this version or one before it.
fn is_made_as(container: &Container, plan: &ContainerSpec, image_id: &str) -> bool {
    let Some(made_as) = container.labels.get(label::PLAN) else {
        return false;
    };
    // A machine that was made before it could see its history need not be made again for that.
    let earlier = plan::without_history(plan);
    Some(made_as) == plan.labels.get(label::PLAN)
        || *made_as == plan::digest(&earlier, image_id)
        || [plan, &earlier]
            .iter()
            .any(|plan| *made_as == plan::digest_with_limits(plan, image_id, &container.limits))
}

/// Folders and volumes that another container would be made for, in an order of their own.
fn mounts(binds: &[Bind]) -> Vec<(&str, &str, bool)> {
    let wanted = binds.iter().filter(|bind| bind.target != plan::HISTORY);
    let mut found: Vec<_> = wanted
        .map(|bind| (bind.target.as_str(), bind.source.as_str(), bind.read_only))
        .collect();
    found.sort_unstable();
    found
}

/// Whether those are the same that can be changed in place.
fn same_limits(now: &Limits, wanted: &Limits) -> bool {
    let nano = |cpus: Option<f64>| cpus.map(|cpus| (cpus * 1e9).round());
    let pids = |limits: &Limits| limits.pids.filter(|pids| *pids > 0);
    now.memory_bytes == wanted.memory_bytes
        && nano(now.cpus) == nano(wanted.cpus)
        && pids(now) == pids(wanted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use containers::{ContainerState, PublishedPort};

    use super::*;

    fn plan() -> ContainerSpec {
        ContainerSpec {
            ports: vec![PublishedPort {
                host: 80,
                container: 8080,
            }],
            binds: vec![Bind {
                source: "/r".into(),
                target: "/repo".into(),
                read_only: false,
            }],
            limits: Limits {
                pids: Some(2048),
                ..Limits::default()
            },
            labels: BTreeMap::from([(label::PLAN.to_owned(), "now".to_owned())]),
            ..ContainerSpec::default()
        }
    }

    fn container(plan: &ContainerSpec) -> Container {
        Container {
            id: "c".into(),
            name: "os-host".into(),
            image_id: "a".into(),
            labels: plan.labels.clone().into_iter().collect(),
            is_paused: false,
            state: ContainerState::Running { started_at_ms: 1 },
            ports: BTreeMap::from([(8080, 80)]),
            mounts: plan.binds.clone(),
            limits: plan.limits,
        }
    }

    #[test]
    fn an_unchanged_container_stays() {
        let plan = plan();
        let same = compare(&container(&plan), &plan, "a");
        assert_eq!(same, Comparison::default());
    }

    #[test]
    fn limits_are_changed_in_place() {
        let mut wanted = plan();
        let container = container(&wanted);
        wanted.limits.memory_bytes = Some(4 << 30);
        wanted.limits.cpus = Some(1.5);
        let more = compare(&container, &wanted, "a");
        assert!(more.limits && more.differences.is_empty(), "{more:?}");
        let limited = Container {
            limits: wanted.limits,
            ..container
        };
        assert!(!compare(&limited, &wanted, "a").limits);
        let none = compare(&limited, &plan(), "a");
        assert!(none.limits && none.differences.is_empty(), "{none:?}");
    }

    #[test]
    fn a_container_that_does_not_see_its_history_stays() {
        let before = plan();
        let mut container = container(&before);
        let made_as = plan::digest(&before, "a");
        container.labels.insert(label::PLAN.into(), made_as);
        let mut wanted = before;
        wanted.binds.push(Bind {
            source: "/history.git".into(),
            target: plan::HISTORY.into(),
            read_only: true,
        });
        let digest = plan::digest(&wanted, "a");
        wanted.labels.insert(label::PLAN.into(), digest);
        assert_eq!(compare(&container, &wanted, "a"), Comparison::default());
        // It is no reason beside another one either.
        wanted.ports[0].host = 81;
        let digest = plan::digest(&wanted, "a");
        wanted.labels.insert(label::PLAN.into(), digest);
        let other = compare(&container, &wanted, "a");
        assert_eq!(other.differences, [Difference::Ports]);
        container.mounts.clear();
        let less = compare(&container, &wanted, "a");
        assert_eq!(less.differences, [Difference::Ports, Difference::Mounts]);
    }

    #[test]
    fn what_differs_is_named() {
        let mut wanted = plan();
        let container = container(&wanted);
        let of_image = compare(&container, &wanted, "b");
        assert_eq!(of_image.differences, [Difference::Image]);
        wanted.labels.insert(label::PLAN.to_owned(), "other".into());
        let settings = compare(&container, &wanted, "a");
        assert_eq!(settings.differences, [Difference::Settings]);
        wanted.ports[0].host = 81;
        wanted.binds[0].source = "/other".into();
        let both = compare(&container, &wanted, "a");
        assert_eq!(list(&both.differences), "its ports and its folders");
    }
}
