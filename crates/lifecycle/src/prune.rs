//! Which images a build leaves behind, and which of them may go.
//!
//! Earlier images of the machine are its generations: as many are kept as the spec says.
//! The rest are ends of stages and of builds that failed: what the last build used is the
//! cache of the next one and stays, and so do the newest of each stage, which another
//! instance's build may be using just now.

use containers::{Engine, EngineError, LooseImage};

use crate::{
    evolve::now_ms,
    plan::{Names, label},
};

/// The Dockerfile's stage that becomes the machine's image.
const LAST_STAGE: &str = "os";
/// Ends of each stage that are kept beside those that the last build used.
const SPARE: usize = 3;
/// Seconds during which the beginning of a machine's image may be another build's that goes on.
const BUILDING_S: i64 = 3600;

/// Removes what may go; answers how many went. One in use stays, which is no failure.
///
/// # Errors
/// [`EngineError`] where the engine does not answer.
pub(crate) async fn prune(
    engine: &Engine,
    names: &Names,
    generations: usize,
    used: &[String],
) -> Result<usize, EngineError> {
    let mut loose = engine.loose_images(label::STAGE).await?;
    let stageless = |image: &LooseImage| !image.labels.contains_key(label::STAGE);
    // A Dockerfile of the owner's may set no stages.
    let ours = engine.loose_images(label::INSTANCE).await?;
    loose.extend(ours.into_iter().filter(stageless));
    loose.sort_by_key(|image| std::cmp::Reverse(image.created_at_s));
    let mut gone = 0;
    let now_s = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
    for id in superseded(&loose, names, generations, used, now_s) {
        match engine.remove_image(id).await {
            Ok(()) => gone += 1,
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

/// Ids of what may go, of loose images that come newest first.
fn superseded<'a>(
    loose: &'a [LooseImage],
    names: &Names,
    generations: usize,
    used: &[String],
    now_s: i64,
) -> Vec<&'a str> {
    let mut kept = std::collections::HashMap::new();
    let mut keep = |of: &'a str, most: usize| {
        let kept = kept.entry(of).or_insert(0);
        *kept += 1;
        *kept <= most
    };
    let mut gone = Vec::new();
    for image in loose {
        let value = |name| image.labels.get(name).map(String::as_str);
        let id = image.id.trim_start_matches("sha256:");
        // Podman sets the labels of a build on the ends of all its stages.
        // The version is the label that is set last: without it the build ended half way.
        let whole = value(label::STAGE).is_none_or(|stage| stage == LAST_STAGE);
        let is_whole = whole && value(label::VERSION).is_some();
        let is_new = image.created_at_s.saturating_add(BUILDING_S) > now_s;
        let stays = match (value(label::INSTANCE), value(label::MACHINE)) {
            // Only its own machine knows whether it is still being built.
            (Some(instance), _) if instance != names.instance => true,
            (_, Some(machine)) if machine != names.machine => true,
            (Some(_), Some(_)) if is_whole => keep("", generations),
            // Nobody's yet: the labels that say whose it is are set near the end.
            (None, _) | (_, None)
                if is_whole || value(label::STAGE) == Some(LAST_STAGE) && is_new =>
            {
                true
            }
            _ => {
                used.iter().any(|used| id.starts_with(used.as_str()))
                    || keep(value(label::STAGE).unwrap_or("?"), SPARE)
            }
        };
        if !stays {
            gone.push(image.id.as_str());
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    const NOW_S: i64 = 2 * BUILDING_S;

    fn image(id: &str, stage: &str, instance: Option<&str>) -> LooseImage {
        let mut labels = vec![(label::STAGE, stage)];
        if let Some(instance) = instance {
            labels.extend([
                (label::INSTANCE, instance),
                (label::MACHINE, "os-host"),
                (label::VERSION, "1"),
            ]);
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        LooseImage {
            id: format!("sha256:{id}"),
            labels: labels.into_iter().map(owned).collect(),
            created_at_s: 0,
        }
    }

    fn gone(loose: &[LooseImage], generations: usize, used: &[&str]) -> Vec<String> {
        let names = Names::new(&Spec::default(), Some("blue"));
        let used: Vec<String> = used.iter().map(|&id| id.to_owned()).collect();
        let gone = superseded(loose, &names, generations, &used, NOW_S);
        gone.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn as_many_generations_stay_as_the_spec_says() {
        let loose = ["a1", "a2", "a3"].map(|id| image(id, "os", Some("blue")));
        assert_eq!(gone(&loose, 2, &[]), ["sha256:a3"]);
        assert_eq!(gone(&loose, 0, &[]).len(), 3);
    }

    #[test]
    fn another_instances_images_stay() {
        assert!(gone(&[image("a1", "os", Some("green"))], 0, &[]).is_empty());
    }

    #[test]
    fn what_another_instance_may_be_building_stays() {
        // Its last labels are not there yet; many builds go on at once.
        let begun = |id: &str, label: Option<&str>, created_at_s| {
            let mut begun = image(id, "os", label);
            begun.labels.remove(label::VERSION);
            begun.created_at_s = created_at_s;
            begun
        };
        let mut loose: Vec<_> = (0..6)
            .map(|number| begun(&format!("n{number}"), None, NOW_S - 60))
            .collect();
        loose.extend((0..6).map(|number| begun(&format!("g{number}"), Some("green"), 0)));
        assert!(gone(&loose, 0, &[]).is_empty());
        // Those of builds that failed long ago go.
        let old: Vec<_> = (0..6)
            .map(|number| begun(&format!("o{number}"), None, 0))
            .collect();
        assert_eq!(gone(&old, 0, &[]).len(), 3);
        let own: Vec<_> = (0..6)
            .map(|number| begun(&format!("b{number}"), Some("blue"), NOW_S))
            .collect();
        assert_eq!(gone(&own, 0, &[]).len(), 3);
    }

    #[test]
    fn the_cache_in_use_and_the_newest_of_each_stage_stay() {
        let mut loose: Vec<_> = (0..5)
            .map(|number| image(&format!("b{number}"), "builder", None))
            .collect();
        loose.push(image("c0", "tools", None));
        assert_eq!(gone(&loose, 0, &["b4"]), ["sha256:b3"]);
    }
}
