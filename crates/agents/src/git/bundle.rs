//! A git bundle that came from inside: its header is read here, since git takes more kinds of bundles
//! than are wanted, and its pack is cut out for `git index-pack`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    str::FromStr,
};

use gix_hash::ObjectId;

use super::error::GitError;

/// The longest header, and the most commits that it builds on.
const LONGEST_HEADER: u64 = 64 << 10;
const MOST_NEEDED: usize = 1000;

/// The start of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Commits that the receiver must have.
    pub needed: Vec<ObjectId>,
    /// The one commit that it brings.
    pub tip: ObjectId,
    /// Objects in its pack.
    pub objects: u32,
    /// Where the pack begins, in bytes.
    pub pack_at: u64,
}

/// Stores what comes from inside in a file of ours, up to so many bytes.
pub(super) fn store(from: &mut impl Read, to: &Path, most: u64) -> Result<File, GitError> {
    let failed = |error| GitError::file("write", to)(error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(failed)?;
    let written = io::copy(&mut from.take(most + 1), &mut file).map_err(failed)?;
    if written > most {
        return Err(GitError::TooMuch {
            what: "the size of the agent's commits",
            limit: format!("{} MiB", most >> 20),
        });
    }
    file.flush().map_err(failed)?;
    Ok(file)
}

/// Reads the start of a bundle; the file stands at its pack afterwards.
pub(super) fn header(file: &mut File) -> Result<Header, GitError> {
    let failed = |error| GitError::file("read", Path::new("the agent's commits"))(error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut lines = Lines {
        from: BufReader::new(Read::take(&mut *file, LONGEST_HEADER)),
        read: 0,
    };
    match lines.next()?.as_slice() {
        b"# v2 git bundle" => {}
        b"# v3 git bundle" => {
            if lines.next()? != b"@object-format=sha1" {
                return Err(GitError::refused("the bundle's format isn't supported"));
            }
        }
        _ => return Err(GitError::refused("it isn't a git bundle")),
    }
    let mut needed = Vec::new();
    let mut tips = Vec::new();
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        match line.strip_prefix(b"-") {
            Some(rest) => needed.push(id(rest)?),
            None => tips.push(id(&line)?),
        }
        if needed.len() > MOST_NEEDED {
            return Err(GitError::refused("the bundle builds on too many commits"));
        }
    }
    let pack_at = lines.read;
    let [tip] = tips[..] else {
        return Err(GitError::refused(format!(
            "the bundle has {} refs instead of one",
            tips.len()
        )));
    };
    let objects = objects(file, pack_at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => GitError::refused("the bundle ends too early"),
        _ => failed(error),
    })?;
    Ok(Header {
        needed,
        tip,
        objects: objects.ok_or_else(|| GitError::refused("the bundle has no pack"))?,
        pack_at,
    })
}

/// How many objects a pack says to have; `None` if it isn't one.
fn objects(file: &mut File, at: u64) -> io::Result<Option<u32>> {
    let mut start = [0; 12];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut start)?;
    file.seek(SeekFrom::Start(at))?;
    let count = [start[8], start[9], start[10], start[11]];
    Ok((&start[..4] == b"PACK").then(|| u32::from_be_bytes(count)))
}

struct Lines<R> {
    from: R,
    read: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Vec<u8>, GitError> {
        let mut line = Vec::new();
        let read = self.from.read_until(b'\n', &mut line);
        let read = read.map_err(GitError::file("read", Path::new("the agent's commits")))?;
        self.read += read as u64;
        if line.pop() != Some(b'\n') {
            return Err(GitError::refused("the bundle's header doesn't end"));
        }
        Ok(line)
    }
}

/// The id at the start of a line; a name or a comment may follow, and isn't used.
fn id(line: &[u8]) -> Result<ObjectId, GitError> {
    let id = line.get(..40).and_then(|id| std::str::from_utf8(id).ok());
    let id = id.and_then(|id| ObjectId::from_str(id).ok());
    match (id, line.get(40)) {
        (Some(id), None | Some(b' ')) => Ok(id),
        _ => Err(GitError::refused("the bundle's header can't be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1111111111111111111111111111111111111111";

    fn read(bytes: &[u8]) -> Result<Header, GitError> {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = bytes;
        let mut file = store(&mut bytes, &folder.path().join("b"), 1 << 20)?;
        header(&mut file)
    }

    #[test]
    fn a_bundle_of_one_commit_is_taken_and_all_else_refused() {
        let pack = b"PACK\0\0\0\x02\0\0\0\x07rest".as_slice();
        let bundle = |head: &str| [head.as_bytes(), pack].concat();
        let good = bundle(&format!(
            "# v2 git bundle\n-{ID} why\n{ID} refs/heads/a\n\n"
        ));
        let header = read(&good).unwrap();
        assert_eq!((header.objects, header.needed.len()), (7, 1));
        assert_eq!(header.pack_at as usize, good.len() - pack.len());
        for head in [
            String::new(),
            "# v2 git bundle\n".into(),
            "# v2 git bundle\n\n".into(),
            format!("# v2 git bundle\n{ID} a\n{ID} b\n\n"),
            format!("# v3 git bundle\n@filter=blob:none\n{ID} a\n\n"),
            "# v2 git bundle\nshort a\n\n".into(),
            format!("# v2 git bundle\n{}\n{ID} a\n\n", "x".repeat(100_000)),
        ] {
            let refused = read(&bundle(&head));
            assert!(
                matches!(refused, Err(GitError::Refused { .. })),
                "{head:.80}"
            );
        }
        let no_pack = format!("# v2 git bundle\n{ID} a\n\nPACK");
        assert!(read(no_pack.as_bytes()).is_err());
        let file = tempfile::tempdir().unwrap();
        let mut endless = io::repeat(b'x');
        let refused = store(&mut endless, &file.path().join("b"), 1000);
        assert!(matches!(refused, Err(GitError::TooMuch { .. })));
    }
}
