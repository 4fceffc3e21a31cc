//! The app's own settings: one TOML file in the config folder, which a person may write too and
//! other processes read. A file that can't be read is told of, and the defaults hold; it is kept
//! aside when they are written. Only what is changed is written into the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lifecycle::atomic_file;
use parking_lot::Mutex;
use toml_edit::DocumentMut;
use wire::{
    advice::Advice,
    commands::Nothing,
    failure::{Failure, FailureCode},
    settings::{Settings, SettingsState},
    stream::Event,
};

use crate::App;

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
        self.state.lock().clone()
    }

    /// Writes them; what was in force stays so where that fails.
    pub(crate) fn set(&self, settings: Settings) -> Result<SettingsState, Failure> {
        let mut state = self.state.lock();
        let written = change(&self.path, &state.settings, &settings).map_err(|error| {
            Failure::new(
                FailureCode::Internal,
                format!(
                    "{} could not be written: the settings were not changed",
                    self.path.display()
                ),
            )
            .because(error.to_string())
            .next(Advice::CheckPermissions)
        })?;
        *state = SettingsState {
            settings: written,
            trouble: None,
        };
        Ok(state.clone())
    }
}

impl App {
    pub(crate) async fn settings_get(&self, _: Nothing) -> Result<SettingsState, Failure> {
        Ok(self.settings())
    }

    pub(crate) async fn settings_set(&self, settings: Settings) -> Result<SettingsState, Failure> {
        let state = self.inner.settings.set(settings)?;
        self.choose_engine(state.settings.engine.clone());
        self.inner.shared.journal.publish(Event::Settings {
            state: state.clone(),
        });
        Ok(state)
    }
}

fn read(path: &Path) -> SettingsState {
    let settings = text_of(path).and_then(|text| toml::from_str(&text).map_err(io::Error::other));
    match settings {
        Ok(settings) => SettingsState {
            settings,
            trouble: None,
        },
        Err(error) => damaged(path, &error.to_string()),
    }
}

/// Empty where there is no file.
fn text_of(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

fn damaged(path: &Path, why: &str) -> SettingsState {
    let trouble = Failure::new(
        FailureCode::Invalid,
        format!(
            "{} can't be read; using the default settings",
            path.display()
        ),
    )
    .because(why.trim())
    .next(Advice::FixSettings);
    tracing::warn!(failure = %trouble, "settings");
    SettingsState {
        settings: Settings::default(),
        trouble: Some(trouble),
    }
}

/// Writes what differs between these two into the file; what is in force then, with what others
/// changed meanwhile.
fn change(path: &Path, before: &Settings, after: &Settings) -> io::Result<Settings> {
    let text = match text_of(path) {
        Ok(text) if toml::from_str::<Settings>(&text).is_ok() => text,
        _ => {
            keep_aside(path)?;
            String::new()
        }
    };
    let mut document: DocumentMut = text.parse().map_err(io::Error::other)?;
    let fields = |settings: &Settings| toml_edit::ser::to_document(settings);
    let (before, after) = (fields(before), fields(after));
    let (before, after) = (
        before.map_err(io::Error::other)?,
        after.map_err(io::Error::other)?,
    );
    for (key, value) in after.iter() {
        if before.get(key).map(ToString::to_string) != Some(value.to_string()) {
            document[key] = value.clone();
        }
    }
    for (key, _) in before.iter().filter(|(key, _)| !after.contains_key(key)) {
        document.remove(key);
    }
    let text = document.to_string();
    write(path, &text)?;
    toml::from_str(&text).map_err(io::Error::other)
}

/// Gives a file that can't be read another name.
fn keep_aside(path: &Path) -> io::Result<()> {
    let aside = (1..)
        .map(|number| path.with_extension(format!("toml.damaged-{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("toml.damaged"));
    fs::rename(path, aside)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    atomic_file::write(path, text.as_bytes())
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
    fn a_damaged_file_is_told_of_and_kept_aside_when_another_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        for (number, text) in ["theme = \"da", "theme = \"pink\"\n"].iter().enumerate() {
            fs::write(&path, text).unwrap();
            // Whoever reads it hears of it: one command as well as the app.
            for _ in 0..2 {
                let state = SettingsFile::load(folder.path()).get();
                assert_eq!(state.settings, Settings::default());
                assert!(state.trouble.unwrap().cause.unwrap().contains("line 1"));
            }
            let file = SettingsFile::load(folder.path());
            let notify = Settings {
                notify: false,
                ..Default::default()
            };
            assert_eq!(file.set(notify.clone()).unwrap().settings, notify);
            let aside = folder
                .path()
                .join(format!("settings.toml.damaged-{}", number + 1));
            assert_eq!(fs::read_to_string(aside).unwrap(), *text);
            assert_eq!(SettingsFile::load(folder.path()).get().settings, notify);
        }
    }

    #[test]
    fn what_others_wrote_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        let one = SettingsFile::load(folder.path());
        fs::write(
            &path,
            "# mine\nlater = 1\nengine = \"desktop-linux\" # the large one\n",
        )
        .unwrap();
        let dark = Settings {
            theme: Theme::Dark,
            ..Default::default()
        };
        let state = one.set(dark).unwrap();
        assert_eq!(state.settings.engine.as_deref(), Some("desktop-linux"));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# mine\nlater = 1\nengine = \"desktop-linux\" # the large one\ntheme = \"dark\"\n"
        );
        let none = Settings {
            engine: None,
            ..state.settings
        };
        assert_eq!(one.set(none.clone()).unwrap().settings, none);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# mine\nlater = 1\n") && !text.contains("engine"),
            "{text}"
        );
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
