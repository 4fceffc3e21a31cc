//! Images of a registry: fetched from tests/agents/registry.py, looked at, approved.

use std::{
    path::PathBuf,
    process::{Child, Command},
};

use agents::{
    catalogue::Catalogue,
    images::{
        Ground, ImageError, ImageSettings, ImageSource, Images, Platform, RegistryImage, Trust,
    },
};
use containers::{CancellationToken, Engine};

use crate::{docker, images, root, tool, until, wanted};

/// A registry on this computer's loopback, which is gone with its images when it is dropped.
struct Registry {
    server: Child,
    folder: tempfile::TempDir,
    port: String,
}

impl Registry {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("serial"), "1").unwrap();
        std::fs::write(file("log"), "").unwrap();
        let server = Command::new("python3")
            .arg(root().join("tests/agents/registry.py"))
            .arg("--port-file")
            .arg(file("port"))
            .arg("--serial")
            .arg(file("serial"))
            .arg("--log")
            .arg(file("log"))
            .spawn()
            .unwrap();
        until("the registry listens", || file("port").is_file());
        let port = std::fs::read_to_string(file("port"))
            .unwrap()
            .trim()
            .to_owned();
        Self {
            server,
            folder,
            port,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Images that are fetched from here; `kind` is as the registry has it.
    fn images(&self, kind: &str, platform: Option<Platform>) -> Images {
        let settings = ImageSettings {
            source: ImageSource::Registry {
                registry: format!("127.0.0.1:{}/{kind}", self.port),
            },
            platform,
        };
        images(self.folder.path(), settings)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
        let filter = format!("reference=127.0.0.1:{}/*/*", self.port);
        let listed = docker(&["images", "--quiet", "--no-trunc", "--filter", &filter]);
        for id in String::from_utf8_lossy(&listed.stdout).lines() {
            docker(&["rmi", "--force", id]);
        }
    }
}

fn own() -> Platform {
    Platform::of_this_computer().unwrap()
}

async fn fetch(
    images: &Images,
    engine: &Engine,
    helpers: &[Platform],
) -> Result<RegistryImage, ImageError> {
    let cancel = CancellationToken::new();
    images
        .fetch(engine, &tool("claude"), helpers, &cancel, &mut |_| {})
        .await
}

#[tokio::test]
async fn an_image_of_a_registry_is_approved_once_by_its_digest() {
    if !wanted() {
        return;
    }
    let registry = Registry::start();
    let engine = Engine::connect().await.unwrap();
    let images = registry.images(&format!("agent-{}", own().architecture()), None);
    let (catalogue, claude) = (Catalogue::built_in(), tool("claude"));
    let resolve = || images.resolve(&engine, &catalogue, &claude, &Ground::Usual);
    assert!(matches!(resolve().await, Err(ImageError::Missing { .. })));

    let first = fetch(&images, &engine, &[own()]).await.unwrap();
    assert!(first.digest.starts_with("sha256:") && first.digest.len() == 71);
    assert!(!first.approved && first.size_bytes > 0);
    // Until then it neither runs nor holds log-ins.
    let refused = resolve().await.unwrap_err();
    let ImageError::NotApproved {
        digest, size_bytes, ..
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!((digest, *size_bytes), (&first.digest, first.size_bytes));
    assert!(!images.may_hold_logins(&first.id).unwrap());
    // Another digest than the one that the person saw.
    let refused = images.approve(&engine, &claude, "sha256:0").await;
    assert!(matches!(refused, Err(ImageError::Changed { .. })));
    images
        .approve(&engine, &claude, &first.digest)
        .await
        .unwrap();
    let resolved = resolve().await.unwrap();
    assert_eq!((&resolved.id, resolved.trust), (&first.id, Trust::Approved));
    assert!(images.may_hold_logins(&first.id).unwrap());
    // The next process needn't ask again.
    let again = fetch(&images.clone(), &engine, &[own()]).await.unwrap();
    assert!(again.approved && again.digest == first.digest);

    // Somebody pushes another image under that name: it is asked again.
    std::fs::write(registry.file("serial"), "2").unwrap();
    let second = fetch(&images, &engine, &[own()]).await.unwrap();
    assert!(second.digest != first.digest && !second.approved);
    assert!(matches!(
        resolve().await,
        Err(ImageError::NotApproved { .. })
    ));
    assert!(!images.may_hold_logins(&second.id).unwrap());
}

#[tokio::test]
async fn an_image_without_the_user_is_refused_also_if_it_was_approved() {
    if !wanted() {
        return;
    }
    let registry = Registry::start();
    let engine = Engine::connect().await.unwrap();
    let images = registry.images(&format!("root-{}", own().architecture()), None);
    let refused = fetch(&images, &engine, &[own()]).await.unwrap_err();
    assert!(
        matches!(&refused, ImageError::NoAgentUser { user, .. } if user.is_empty()),
        "{refused}"
    );
    let refused = images
        .approve(&engine, &tool("claude"), "sha256:0")
        .await
        .unwrap_err();
    assert!(
        matches!(refused, ImageError::NoAgentUser { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_platform_is_refused_that_the_helper_or_the_image_lacks() {
    if !wanted() {
        return;
    }
    let registry = Registry::start();
    let engine = Engine::connect().await.unwrap();
    let other = match own() {
        Platform::Amd64 => Platform::Arm64,
        Platform::Arm64 => Platform::Amd64,
    };
    let images = registry.images(&format!("agent-{}", other.architecture()), Some(other));
    let refused = fetch(&images, &engine, &[own()]).await.unwrap_err();
    assert!(matches!(refused, ImageError::NoHelper { .. }), "{refused}");
    // Nothing was fetched for it.
    assert_eq!(std::fs::read_to_string(registry.file("log")).unwrap(), "");
    // With a helper it is fetched.
    let image = fetch(&images, &engine, &[own(), other]).await.unwrap();
    assert!(!image.approved);
    // And an image for another platform than was asked for isn't taken.
    let images = registry.images(&format!("agent-{}", other.architecture()), Some(own()));
    let refused = fetch(&images, &engine, &[own()]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            ImageError::WrongPlatform { .. } | ImageError::Engine(_)
        ),
        "{refused}"
    );
    let refused = images
        .registry_image(&engine, &tool("claude"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            ImageError::WrongPlatform { .. } | ImageError::Missing { .. }
        ),
        "{refused}"
    );
}
