//! Bundles by which an agent could harm the person's repository or this computer. Each is refused, and
//! the repository is as it was.

use std::io::Write;

use agents::git::{GitError, IncomingLimits, Part, TreeLimits, Work};

use crate::world::{Inside, World, command, receive};

/// A world, an agent's work in it, and its inside.
struct Attack {
    world: World,
    work: Work,
    inside: Inside,
}

impl Attack {
    fn new() -> Self {
        let world = World::new();
        let (work, inside) = world.begin("one");
        Self {
            world,
            work,
            inside,
        }
    }

    fn blob(&self) -> String {
        self.inside.object("blob", b"x")
    }

    /// Sends a bundle that must be refused.
    fn refused(&self, bundle: &[u8], what: &str) -> GitError {
        self.refused_with(bundle, &IncomingLimits::default(), what)
    }

    fn refused_with(&self, bundle: &[u8], limits: &IncomingLimits, what: &str) -> GitError {
        let before = self.world.contents();
        let mut bytes = bundle;
        let error = match self.work.receive(Part::Commits, &mut bytes, limits) {
            Ok(received) => panic!("{what} was taken: {received:?}"),
            Err(error) => error,
        };
        assert_eq!(self.world.contents(), before, "{what}");
        assert_eq!(self.work.tips().unwrap().work, None, "{what}");
        let store = self.world.place("one").join("work.git/objects/pack");
        assert_eq!(crate::world::contents(&store).len(), 0, "{what}");
        error
    }

    /// Sends a commit of this tree, which must be refused.
    fn refused_tree(&self, entries: &[(&str, &[u8], &str)], below: &[&str], what: &str) {
        let error = self.refused(&self.bundle_of(entries, below), what);
        assert!(matches!(error, GitError::Refused { .. }), "{what}: {error}");
    }

    /// A bundle of a commit of this tree; `below` is what its entries need.
    fn bundle_of(&self, entries: &[(&str, &[u8], &str)], below: &[&str]) -> Vec<u8> {
        let tree = self.inside.tree(entries);
        let commit = self.inside.commit_tree(&tree).to_string();
        let mut objects = vec![commit.as_str(), tree.as_str()];
        objects.extend(entries.iter().map(|(.., id)| *id));
        objects.extend(below);
        objects.sort_unstable();
        objects.dedup();
        // Git itself doesn't go through all of them.
        bundle(&commit, &pack(&self.inside, &objects))
    }
}

#[test]
fn trees_with_names_that_lead_elsewhere_are_refused() {
    let attack = Attack::new();
    let blob = attack.blob();
    let inner = attack.inside.tree(&[("100644", b"config", &blob)]);
    for name in [
        &b".git"[..],
        b".GIT",
        b".Git",
        b"git~1",
        b".git ",
        b".git.",
        b".git::$INDEX_ALLOCATION",
        ".g\u{200c}it".as_bytes(),
        b"..",
        b".",
        b"",
        b"a/b",
        b"../../x",
        b"/etc",
    ] {
        let what = String::from_utf8_lossy(name).into_owned();
        let folder = format!("a folder {what:?}");
        attack.refused_tree(&[("40000", name, &inner)], &[&blob], &folder);
        attack.refused_tree(&[("100644", name, &blob)], &[], &format!("a file {what:?}"));
        let below = attack.inside.tree(&[("100644", name, &blob)]);
        let below_folder = format!("sub/{what:?}");
        attack.refused_tree(&[("40000", b"sub", &below)], &[&blob], &below_folder);
    }
    // It was the names: others are taken.
    let fine = attack.bundle_of(&[("40000", b"sub", &inner)], &[&blob]);
    receive(&attack.work, &fine).unwrap();
}

#[test]
fn trees_that_are_not_what_git_makes_are_refused() {
    let attack = Attack::new();
    let blob = attack.blob();
    let refused = |entries: &[(&str, &[u8], &str)], what: &str| {
        attack.refused_tree(entries, &[&blob], what);
    };
    let folder = attack.inside.tree(&[("100644", b"f", &blob)]);
    refused(
        &[("100644", b"a", &blob), ("100644", b"a", &blob)],
        "a name twice",
    );
    refused(
        &[("100644", b"a", &blob), ("40000", b"a", &folder)],
        "a file and a folder of one name",
    );
    refused(
        &[("100644", b"b", &blob), ("100644", b"a", &blob)],
        "an order that isn't git's",
    );
    refused(&[("777", b"a", &blob)], "a mode that isn't one");
    let target = attack.inside.object("blob", b"../../.bashrc");
    refused(
        &[("120000", b".gitmodules", &target)],
        "a link as .gitmodules",
    );
    for (modules, what) in [
        (
            "[submodule \"x\"]\n\tpath = x\n\turl = -u./payload\n",
            "an option as an address",
        ),
        (
            "[submodule \"../../.git/hooks\"]\n\tpath = x\n\turl = https://localhost/x\n",
            "a module's name that leads out",
        ),
    ] {
        let modules = attack.inside.object("blob", modules.as_bytes());
        refused(&[("100644", b".gitmodules", &modules)], what);
    }
}

#[test]
fn a_ref_that_names_no_commit_is_refused() {
    let attack = Attack::new();
    let inside = &attack.inside;
    let blob = attack.blob();
    let tree = inside.tree(&[("100644", b"new", &blob)]);
    let start = inside.start.to_string();
    inside.git(&["tag", "-a", "-m", "x", "annotated", &start]);
    inside.git(&["update-ref", "refs/x/blob", &blob]);
    inside.git(&["update-ref", "refs/x/tree", &tree]);
    for name in ["refs/x/blob", "refs/x/tree", "refs/tags/annotated"] {
        let output = command(&inside.folder)
            .args(["bundle", "create", "-q", "-", name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let error = attack.refused(&output.stdout, name);
        assert!(matches!(error, GitError::Refused { .. }), "{name}: {error}");
    }
    // A commit whose tree is a blob.
    let text = format!("tree {blob}\nauthor x <x@x> 1 +0000\ncommitter x <x@x> 1 +0000\n\nx\n");
    let commit = inside.object("commit", text.as_bytes());
    let pack = pack(inside, &[&commit, &blob]);
    attack.refused(&bundle(&commit, &pack), "a commit of a blob");
}

#[test]
fn bundles_that_are_broken_or_build_on_what_nobody_has_are_refused() {
    let attack = Attack::new();
    attack.inside.write("a", "changed\n");
    let tip = attack.inside.commit("work").to_string();
    let good = attack.inside.bundle();
    attack.refused(b"", "nothing");
    attack.refused(b"no bundle at all", "other bytes");
    attack.refused(&good[..good.len() - 30], "one that was cut");
    let mut flipped = good.clone();
    let middle = good.len() - 40;
    flipped[middle] ^= 0xff;
    attack.refused(&flipped, "one with a byte changed");
    let unknown = "1".repeat(40);
    let head = format!("# v2 git bundle\n-{unknown} x\n{tip} refs/heads/agent/one\n\n");
    let pack_at = good.windows(4).position(|part| part == b"PACK").unwrap();
    let needy = [head.as_bytes(), &good[pack_at..]].concat();
    let error = attack.refused(&needy, "one that builds on an unknown commit");
    assert!(error.to_string().contains(&unknown), "{error}");
    let elsewhere = bundle(&unknown, &good[pack_at..]);
    attack.refused(&elsewhere, "one whose commit isn't in it");
    // The file's content is missing.
    let tree = attack.inside.git(&["rev-parse", "HEAD^{tree}"]);
    let lacking = pack(&attack.inside, &[&tip, tree.trim()]);
    attack.refused(&bundle(&tip, &lacking), "one without a file's content");
    // And as it should be, to see that nothing else was wrong with it.
    receive(&attack.work, &good).unwrap();
}

#[test]
fn what_is_missing_below_an_earlier_commit_is_noticed() {
    let attack = Attack::new();
    let inside = &attack.inside;
    inside.write("a", "changed\n");
    let first = inside.commit("never sent").to_string();
    inside.write("b", "changed\n");
    let second = inside.commit("sent").to_string();
    let tree = inside.git(&["rev-parse", "HEAD^{tree}"]);
    let blob = inside.git(&["rev-parse", "HEAD:b"]);
    // The first commit is there, of what it needs nothing.
    let lacking = pack(inside, &[&second, tree.trim(), blob.trim(), &first]);
    attack.refused(
        &bundle(&second, &lacking),
        "a commit whose parent lacks its tree",
    );
}

#[test]
fn too_many_bytes_objects_files_and_folders_are_refused() {
    let attack = Attack::new();
    let inside = &attack.inside;
    for number in 0..30 {
        inside.write(&format!("f{number}"), &format!("{number}"));
    }
    inside.commit("many");
    let many = inside.bundle();
    let usual = IncomingLimits::default();
    let tree = |tree: TreeLimits| IncomingLimits { tree, ..usual };
    let of_tree = TreeLimits::default();
    for limits in [
        IncomingLimits {
            bundle_bytes: 500,
            ..usual
        },
        IncomingLimits {
            objects: 20,
            ..usual
        },
        tree(TreeLimits {
            files: 20,
            ..of_tree
        }),
        tree(TreeLimits {
            path_bytes: 2,
            ..of_tree
        }),
        tree(TreeLimits {
            name_bytes: 2,
            ..of_tree
        }),
        tree(TreeLimits {
            depth: 1,
            ..of_tree
        }),
    ] {
        let error = attack.refused_with(&many, &limits, &format!("{limits:?}"));
        assert!(
            matches!(error, GitError::TooMuch { .. }),
            "{limits:?}: {error}"
        );
    }
}

#[test]
fn a_few_bytes_that_unpack_to_many_are_refused() {
    let attack = Attack::new();
    // 64 MiB of zeros, in about as many KiB.
    let file = std::fs::File::create(attack.inside.folder.join("zeros")).unwrap();
    file.set_len(64 << 20).unwrap();
    attack.inside.commit("zeros");
    let bomb = attack.inside.bundle();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let usual = IncomingLimits::default();
    for limits in [
        IncomingLimits {
            object_bytes: 32 << 20,
            ..usual
        },
        IncomingLimits {
            unpacked_bytes: 32 << 20,
            ..usual
        },
    ] {
        let error = attack.refused_with(&bomb, &limits, "zeros");
        assert!(matches!(error, GitError::TooMuch { .. }), "{error}");
    }
    receive(&attack.work, &bomb).unwrap();
}

#[test]
fn a_small_tree_of_countless_files_is_refused() {
    let attack = Attack::new();
    let inside = &attack.inside;
    // Ten files in ten folders in ten folders …: ten thousand million files.
    let mut below = (attack.blob(), "100644");
    for _ in 0..10 {
        let names: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
        let entries: Vec<(&str, &[u8], &str)> = names
            .iter()
            .map(|name| (below.1, name.as_bytes(), below.0.as_str()))
            .collect();
        below = (inside.tree(&entries), "40000");
    }
    inside.commit_tree(&below.0);
    let error = attack.refused(&inside.bundle(), "a bomb of trees");
    assert!(matches!(error, GitError::TooMuch { .. }), "{error}");
}

#[test]
fn folders_nested_without_end_are_refused() {
    let attack = Attack::new();
    let mut tree = attack.inside.tree(&[("100644", b"f", &attack.blob())]);
    for _ in 0..400 {
        tree = attack.inside.tree(&[("40000", b"d", &tree)]);
    }
    attack.inside.commit_tree(&tree);
    attack.refused(&attack.inside.bundle(), "400 folders in each other");
}

#[test]
fn names_of_refs_in_a_bundle_have_no_effect() {
    let attack = Attack::new();
    attack.inside.write("a", "changed\n");
    let tip = attack.inside.commit("work");
    let good = attack.inside.bundle();
    let pack_at = good.windows(4).position(|part| part == b"PACK").unwrap();
    let main = attack.world.commit_of("main");
    for name in [
        "refs/heads/main",
        "HEAD",
        "../../../config",
        "refs/vivarium/../../config",
        "\u{1b}[2J",
        "--upload-pack=x",
    ] {
        let head = format!("# v2 git bundle\n{tip} {name}\n\n");
        let bundle = [head.as_bytes(), &good[pack_at..]].concat();
        receive(&attack.work, &bundle).unwrap();
        assert_eq!(attack.world.commit_of("main"), main);
        assert_eq!(attack.world.commit_of("refs/vivarium/one"), Some(tip));
    }
    let refs = attack.world.git(&["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main\nrefs/vivarium/one\n");
    let two = format!("# v2 git bundle\n{tip} refs/heads/a\n{tip} refs/heads/b\n\n");
    let two = [two.as_bytes(), &good[pack_at..]].concat();
    assert!(matches!(
        receive(&attack.work, &two),
        Err(GitError::Refused { .. })
    ));
}

/// A pack of exactly these objects.
fn pack(inside: &Inside, objects: &[&str]) -> Vec<u8> {
    let mut child = command(&inside.folder)
        .args(["pack-objects", "-q", "--stdout"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let list = objects.join("\n") + "\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// A bundle that needs nothing.
fn bundle(tip: &str, pack: &[u8]) -> Vec<u8> {
    let head = format!("# v2 git bundle\n{tip} refs/heads/agent/one\n\n");
    [head.as_bytes(), pack].concat()
}
