//! How a container that is there differs from the one that the machine's spec asks for: what the
//! engine can change in place, and what only another container can have.

use containers::{Container, ContainerSpec, Limits};

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
    let made_as = container.labels.get(label::PLAN);
    let is_planned = made_as.is_some()
        && (made_as == plan.labels.get(label::PLAN)
            || made_as == Some(&plan::digest_with_limits(plan, image_id, &container.limits)));
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
        let lacks = plan
            .binds
            .iter()
            .any(|bind| !container.mounts.contains(bind));
        if lacks || container.mounts.len() != plan.binds.len() {
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

    use containers::{Bind, ContainerState, PublishedPort};

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
