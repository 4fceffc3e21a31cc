//! Folders of this computer whose insides agents may be given: `folders` in the table `[agents]` of the
//! settings. The file is read whenever it counts, since other processes change it too.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use ::agents::AllowedFolders;
use lifecycle::atomic_file;
use toml_edit::{Array, DocumentMut, Item, Table};
use wire::{
    advice::Advice,
    agent::{AgentFolderRequest, AgentFolders},
    commands::Nothing,
    failure::{Failure, FailureCode},
    stream::Event,
};

use crate::{App, blocking::on_disk};

const TABLE: &str = "agents";
const KEY: &str = "folders";

/// The file that names them.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    file: PathBuf,
}

impl Folders {
    pub(super) fn of(config_dir: &Path) -> Self {
        Self {
            file: config_dir.join("settings.toml"),
        }
    }

    fn document(&self) -> io::Result<DocumentMut> {
        let text = match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        text.parse().map_err(io::Error::other)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let document = self.document()?;
        let listed = document.get(TABLE).and_then(|table| table.get(KEY));
        let Some(listed) = listed else {
            return Ok(Vec::new());
        };
        let texts = listed.as_array().and_then(|folders| {
            let texts = folders
                .iter()
                .map(|folder| Some(folder.as_str()?.to_owned()));
            texts.collect::<Option<Vec<String>>>()
        });
        let wrong = || io::Error::other("agents.folders isn't a list of texts");
        texts.ok_or_else(wrong)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<String>)) -> io::Result<Vec<String>> {
        let mut folders = self.list()?;
        change(&mut folders);
        let mut document = self.document()?;
        if !document.get(TABLE).is_some_and(Item::is_table_like) {
            document[TABLE] = Item::Table(Table::new());
        }
        let listed: Array = folders.iter().map(String::as_str).collect();
        document[TABLE][KEY] = toml_edit::value(listed);
        let above = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(above)?;
        atomic_file::write(&self.file, document.to_string().as_bytes())?;
        Ok(folders)
    }
}

impl AllowedFolders for Folders {
    /// None if the file can't be read: then nothing is allowed.
    fn folders(&self) -> Vec<PathBuf> {
        let listed = self.list().unwrap_or_else(|error| {
            tracing::warn!(%error, "the folders for agents can't be read");
            Vec::new()
        });
        listed.into_iter().map(PathBuf::from).collect()
    }
}

impl App {
    pub(crate) async fn agent_folders(&self, _: Nothing) -> Result<AgentFolders, Failure> {
        self.with_folders(|folders| folders.list()).await
    }

    pub(crate) async fn agent_folder_add(
        &self,
        request: AgentFolderRequest,
    ) -> Result<AgentFolders, Failure> {
        let path = on_disk(move || checked(&request.path)).await?;
        self.with_folders(move |folders| {
            folders.change(|listed| {
                if !listed.contains(&path) {
                    listed.push(path);
                    listed.sort();
                }
            })
        })
        .await
    }

    pub(crate) async fn agent_folder_remove(
        &self,
        request: AgentFolderRequest,
    ) -> Result<AgentFolders, Failure> {
        // As it is listed, or as whoever names it came there.
        let resolved = fs::canonicalize(&request.path).ok();
        let is_it = move |folder: &String| {
            let same = |path: &PathBuf| path.as_path() == Path::new(folder);
            *folder == request.path || resolved.as_ref().is_some_and(same)
        };
        self.with_folders(move |folders| folders.change(|listed| listed.retain(|one| !is_it(one))))
            .await
    }

    async fn with_folders(
        &self,
        work: impl FnOnce(&Folders) -> io::Result<Vec<String>> + Send + 'static,
    ) -> Result<AgentFolders, Failure> {
        let folders = Folders::of(self.config_dir());
        let folders = on_disk(move || {
            work(&folders).map_err(|error| {
                let file = folders.file.display();
                let message = format!("The folders for agents in {file} can't be read or written");
                Failure::new(FailureCode::Invalid, message)
                    .because(error.to_string().trim())
                    .next(Advice::FixSettings)
            })
        })
        .await?;
        self.inner.shared.journal.publish(Event::Agents);
        Ok(AgentFolders { folders })
    }
}

/// The folder with all links resolved: a link that leads elsewhere later allows nothing.
fn checked(path: &str) -> Result<String, Failure> {
    let refused = |reason: &str| {
        Failure::new(FailureCode::Invalid, format!("{path} can't be allowed")).because(reason)
    };
    if !Path::new(path).is_absolute() {
        return Err(refused("an absolute path is expected").next(Advice::UseWholePath));
    }
    let resolved = fs::canonicalize(path);
    let resolved = resolved.map_err(|error| refused(&error.to_string()))?;
    if !resolved.is_dir() {
        return Err(refused("it isn't a folder"));
    }
    let depth = resolved
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    if depth.count() == 0 {
        return Err(refused("everything is inside it")
            .next(Advice::text("Choose the folder that your projects are in.")));
    }
    match resolved.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(refused("its path isn't UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_kept_beside_other_settings() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::of(home.path());
        assert!(folders.folders().is_empty());
        let text = "# mine\ntheme = \"dark\"\n\n[sandboxes]\npool = 2\n";
        fs::write(home.path().join("settings.toml"), text).unwrap();
        let add = |path: &str| folders.change(|listed| listed.push(path.to_owned()));
        add("/a b").unwrap();
        assert_eq!(add("/c").unwrap(), ["/a b", "/c"]);
        assert_eq!(folders.folders(), [PathBuf::from("/a b"), "/c".into()]);
        folders.change(Vec::clear).unwrap();
        let written = fs::read_to_string(home.path().join("settings.toml")).unwrap();
        assert!(written.starts_with(text), "{written}");
        assert!(folders.folders().is_empty());
    }

    #[test]
    fn a_damaged_file_allows_nothing_and_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("settings.toml");
        for text in [
            "[agents",
            "[agents]\nfolders = \"/\"\n",
            "[agents]\nfolders = [7]\n",
        ] {
            fs::write(&file, text).unwrap();
            let folders = Folders::of(home.path());
            assert!(folders.folders().is_empty(), "{text}");
            assert!(folders.change(|listed| listed.push("/x".into())).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_is_allowed_by_where_it_leads() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        fs::create_dir(root.join("projects")).unwrap();
        std::os::unix::fs::symlink(root.join("projects"), root.join("link")).unwrap();
        let link = checked(root.join("link").to_str().unwrap()).unwrap();
        assert_eq!(Path::new(&link), root.join("projects"));
        fs::write(root.join("file"), "").unwrap();
        let file = root.join("file").display().to_string();
        for path in ["relative", "/", "/does-not-exist", &file] {
            assert!(checked(path).is_err(), "{path}");
        }
    }
}
