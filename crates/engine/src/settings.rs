//! The app's own settings: one TOML file in the config folder. A file that can't be read is kept
//! aside and told of, and the defaults hold.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use wire::{
    failure::{Failure, FailureCode},
    settings::{Settings, SettingsState},
};

/// What is in force, and where it lies.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    state: Mutex<SettingsState>,
}

impl SettingsFile {
    /// Reads the file of this config folder.
    pub(crate) fn load(config_dir: &Path) -> Self {
        let path = config_dir.join("settings.toml");
        let state = read(&path);
        Self {
            path,
            state: Mutex::new(state),
        }
    }

    /// What is in force, and what was wrong with the file.
    pub(crate) fn get(&self) -> SettingsState {
        self.lock().clone()
    }

    /// Writes them; what was in force stays so where that fails.
    pub(crate) fn set(&self, settings: Settings) -> Result<SettingsState, Failure> {
        let mut state = self.lock();
        write(&self.path, &settings).map_err(|error| {
            Failure::new(
                FailureCode::Internal,
                format!("{} could not be written", self.path.display()),
            )
            .because(error.to_string())
            .next("The settings are as they were.")
        })?;
        *state = SettingsState {
            settings,
            trouble: None,
        };
        Ok(state.clone())
    }

    fn lock(&self) -> MutexGuard<'_, SettingsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> SettingsState {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return SettingsState::default(),
        Err(error) => return damaged(path, &error.to_string()),
    };
    match toml::from_str(&text) {
        Ok(settings) => SettingsState {
            settings,
            trouble: None,
        },
        Err(error) => damaged(path, &error.to_string()),
    }
}

/// Keeps the file aside; defaults hold.
fn damaged(path: &Path, why: &str) -> SettingsState {
    let aside = (1..)
        .map(|number| path.with_extension(format!("toml.damaged-{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("toml.damaged"));
    let kept = match fs::rename(path, &aside) {
        Ok(()) => format!("It is kept as {}.", aside.display()),
        Err(error) => format!("It could not be kept aside: {error}."),
    };
    let trouble = Failure::new(
        FailureCode::Invalid,
        format!("{} can't be read; the defaults hold", path.display()),
    )
    .because(why.trim())
    .next(kept);
    tracing::warn!(failure = %trouble, "settings");
    SettingsState {
        settings: Settings::default(),
        trouble: Some(trouble),
    }
}

fn write(path: &Path, settings: &Settings) -> io::Result<()> {
    let text = toml::to_string(settings).map_err(io::Error::other)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    aside.write_all(text.as_bytes())?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use wire::settings::Theme;

    use super::*;

    #[test]
    fn they_stay_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::load(&folder.path().join("config"));
        assert_eq!(file.get(), SettingsState::default());
        let settings = Settings {
            theme: Theme::Dark,
            ..Default::default()
        };
        file.set(settings.clone()).unwrap();
        let again = SettingsFile::load(&folder.path().join("config"));
        assert_eq!(again.get().settings, settings);
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        for (number, text) in ["theme = \"da", "theme = \"pink\"\n"].iter().enumerate() {
            fs::write(&path, text).unwrap();
            let state = SettingsFile::load(folder.path()).get();
            assert_eq!(state.settings, Settings::default());
            let trouble = state.trouble.unwrap();
            assert!(trouble.cause.unwrap().contains("line 1"));
            let aside = folder
                .path()
                .join(format!("settings.toml.damaged-{}", number + 1));
            assert_eq!(fs::read_to_string(aside).unwrap(), *text);
            assert!(!path.exists());
        }
    }

    #[test]
    fn fields_of_a_later_version_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("settings.toml"),
            "theme = \"light\"\nlater = 1\n",
        )
        .unwrap();
        let state = SettingsFile::load(folder.path()).get();
        assert_eq!((state.settings.theme, state.trouble), (Theme::Light, None));
    }
}
