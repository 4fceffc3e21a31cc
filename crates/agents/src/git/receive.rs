//! What an agent sends: the bytes of a bundle, unpacked in a repository that holds nothing else until
//! they have been checked.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read},
    path::Path,
    str::FromStr,
};

use gix_hash::ObjectId;

use super::{
    bare::Bare,
    bundle::{self, Header},
    error::GitError,
    listing::{self, TreeLimits},
    work::{Part, Work},
};

/// How much is taken from an agent at once.
#[derive(Clone, Copy, Debug)]
pub struct IncomingLimits {
    /// Bytes of the bundle.
    pub bundle_bytes: u64,
    /// Objects in it.
    pub objects: u32,
    /// Bytes of one object, unpacked.
    pub object_bytes: u64,
    /// Bytes of all objects, unpacked.
    pub unpacked_bytes: u64,
    /// The files of the commit.
    pub tree: TreeLimits,
}

impl Default for IncomingLimits {
    fn default() -> Self {
        Self {
            bundle_bytes: 1 << 30,
            objects: 1_000_000,
            object_bytes: 1 << 30,
            unpacked_bytes: 8 << 30,
            tree: TreeLimits::default(),
        }
    }
}

/// What was taken from an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The commit.
    pub tip: ObjectId,
    /// What was there before of the same part.
    pub previous: Option<ObjectId>,
    /// Objects in the bundle.
    pub objects: u32,
}

impl Work {
    /// Takes a bundle of one ref from an agent, checks it in a repository of its own, and writes the
    /// ref `refs/vivarium/<id>` of the person's repository, or `refs/vivarium/wip/<id>`. Until
    /// everything was checked nothing of it is anywhere else. Reading blocks as long as `bytes` does:
    /// the caller sees to that it ends.
    ///
    /// # Errors
    /// [`GitError::Refused`] and [`GitError::TooMuch`] for what isn't taken; the repository is then as
    /// it was.
    pub fn receive(
        &self,
        part: Part,
        bytes: &mut impl Read,
        limits: &IncomingLimits,
    ) -> Result<Received, GitError> {
        self.start()?;
        let quarantine = tempfile::Builder::new()
            .prefix("incoming-")
            .tempdir_in(&self.folder)
            .map_err(GitError::file("create", &self.folder))?;
        let place = quarantine.path().join("bundle");
        let mut file = bundle::store(bytes, &place, limits.bundle_bytes)?;
        let header = bundle::header(&mut file)?;
        if header.objects > limits.objects {
            return Err(GitError::TooMuch {
                what: "the number of objects",
                limit: limits.objects.to_string(),
            });
        }
        let known = self
            .store
            .borrowed()
            .iter()
            .cloned()
            .chain([self.store.objects()]);
        let bare = Bare::make(&quarantine.path().join("git"))?.borrowing(known);
        self.unpack(&bare, &header, file, limits)?;
        self.check(&bare, &header, limits)?;
        self.keep_packs(&bare)?;
        let previous = self.tip_of(part)?;
        self.set_tip(part, header.tip)?;
        Ok(Received {
            tip: header.tip,
            previous,
            objects: header.objects,
        })
    }

    /// Unpacks the objects; each is checked as `git fsck` does it, and that what it names is there.
    fn unpack(
        &self,
        bare: &Bare,
        header: &Header,
        mut pack: File,
        limits: &IncomingLimits,
    ) -> Result<(), GitError> {
        let needed = bare.kinds(&self.git, &header.needed)?;
        if let Some(at) = needed.iter().position(Option::is_none) {
            return Err(GitError::refused(format!(
                "they build on commit {}, which isn't known here",
                header.needed[at]
            )));
        }
        bare.set_shallow(&self.shallow()?)?;
        let call = bare.call(&self.git, "index-pack").narrow();
        let most = format!("--max-input-size={}", limits.bundle_bytes);
        // What git only remarks on otherwise: a mode that is none of a file's.
        let strict = "--strict=badFilemode=error";
        let unpacked = call.args(["--stdin", "--fix-thin", strict, &most]).fed(
            move |stdin| {
                let copied = io::copy(&mut pack, stdin).map(drop);
                copied.map_err(GitError::file("write", Path::new("git's input")))
            },
            |output| {
                let drained = io::copy(output, &mut io::sink()).map(drop);
                drained.map_err(GitError::file("read", Path::new("git's output")))
            },
        );
        match unpacked {
            Err(GitError::Failed { reason, .. }) => Err(GitError::refused(reason)),
            unpacked => unpacked.map(drop),
        }
    }

    fn check(&self, bare: &Bare, header: &Header, limits: &IncomingLimits) -> Result<(), GitError> {
        // Of its own objects alone, so that those of the person don't count.
        let alone = Bare::at(bare.path());
        check_sizes(&alone, self, limits)?;
        if !bare.is_commit(&self.git, header.tip)? {
            return Err(GitError::refused("the bundle's ref doesn't name a commit"));
        }
        listing::each(bare, &self.git, header.tip, limits.tree, |_| {})?;
        // Whatever the commit needs is there, and not only what this bundle names.
        let call = bare.call(&self.git, "rev-list").narrow();
        let call = call
            .args(["--objects", "--quiet"])
            .arg(header.tip.to_string());
        let call = match self.base()? {
            Some(base) => call.arg(format!("^{base}")),
            None => call,
        };
        match call.bytes(1 << 20) {
            Err(GitError::Failed { reason, .. }) => Err(GitError::refused(reason)),
            checked => checked.map(drop),
        }
    }

    /// Moves what was checked among what is kept of this agent.
    fn keep_packs(&self, bare: &Bare) -> Result<(), GitError> {
        let (from, to) = (
            bare.objects().join("pack"),
            self.store.objects().join("pack"),
        );
        let failed = |error| GitError::file("read", &from)(error);
        // Git looks for packs by their indexes: those come last.
        let mut files = Vec::new();
        for file in fs::read_dir(&from).map_err(failed)? {
            files.push(file.map_err(failed)?.file_name());
        }
        files.sort_by_key(|name| Path::new(name).extension().is_some_and(|end| end == "idx"));
        for name in files {
            let place = to.join(&name);
            fs::rename(from.join(&name), &place).map_err(GitError::file("write", &place))?;
        }
        Ok(())
    }

    fn shallow(&self) -> Result<Vec<ObjectId>, GitError> {
        match &self.repository {
            Some(repository) => repository.shallow(),
            None => Ok(Vec::new()),
        }
    }
}

/// Refuses objects that are larger unpacked than is taken: a few bytes can stand for many.
fn check_sizes(alone: &Bare, work: &Work, limits: &IncomingLimits) -> Result<(), GitError> {
    let call = alone.call(&work.git, "cat-file").narrow();
    let words = [
        "--batch-all-objects",
        "--unordered",
        "--batch-check=%(objectname) %(objectsize)",
    ];
    let limits = *limits;
    call.args(words).fed(
        |_| Ok(()),
        move |output| {
            let mut all = 0_u64;
            for line in output.lines() {
                let line = line.map_err(GitError::file("read", Path::new("git's output")))?;
                let size = line.split_once(' ').and_then(|(id, size)| {
                    ObjectId::from_str(id).ok()?;
                    size.parse::<u64>().ok()
                });
                let size =
                    size.ok_or_else(|| GitError::damaged("git's list of objects can't be read"))?;
                all = all.saturating_add(size);
                let (what, limit) = if size > limits.object_bytes {
                    ("the size of a file", limits.object_bytes)
                } else if all > limits.unpacked_bytes {
                    (
                        "the unpacked size of the agent's commits",
                        limits.unpacked_bytes,
                    )
                } else {
                    continue;
                };
                return Err(GitError::TooMuch {
                    what,
                    limit: format!("{} MiB", limit >> 20),
                });
            }
            Ok(())
        },
    )?;
    Ok(())
}
