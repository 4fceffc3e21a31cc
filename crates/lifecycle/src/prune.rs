//! Which images a build leaves behind, and which of them may go.
//!
//! Earlier images of the machine are its generations: as many are kept as the spec says.
//! The rest are ends of stages and of builds that failed: what the last build used is the
//! cache of the next one and stays, and so do the newest of each stage, which another
//! instance's build may be using just now.

use containers::{Engine, EngineError, LooseImage};

use crate::plan::{Names, label};

/// The Dockerfile's stage that becomes the machine's image.
const LAST_STAGE: &str = "os";
/// Ends of each stage that are kept beside those that the last build used.
const SPARE: usize = 3;

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
    for id in superseded(&loose, names, generations, used) {
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
        let whole = value(label::STAGE).is_none_or(|stage| stage == LAST_STAGE);
        let stays = match value(label::INSTANCE) {
            // The label that is set last: without it the build ended half way.
            Some(instance) if whole && value(label::VERSION).is_some() => {
                instance != names.instance
                    || value(label::MACHINE) != Some(&names.machine)
                    || keep("", generations)
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
        let gone = superseded(loose, &names, generations, &used);
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
    fn the_cache_in_use_and_the_newest_of_each_stage_stay() {
        let mut loose: Vec<_> = (0..5)
            .map(|number| image(&format!("b{number}"), "builder", None))
            .collect();
        loose.push(image("c0", "tools", None));
        assert_eq!(gone(&loose, 0, &["b4"]), ["sha256:b3"]);
    }
}
