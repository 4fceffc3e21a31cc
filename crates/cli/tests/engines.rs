//! Every way to a real container engine: Docker's contexts, TLS, ssh. Only where
//! VIVARIUM_TEST_ENGINE=1 says that one may be used.

use std::{
    io::Write,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio_rustls::{
    TlsAcceptor,
    rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier},
};

fn wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_ENGINE").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "left out: VIVARIUM_TEST_ENGINE=1 is not set, so no container engine may be used"
        );
    }
    wanted
}

/// The engine that the tests may use.
fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = host
        .strip_prefix("unix://")
        .unwrap_or("/var/run/docker.sock");
    path.to_owned()
}

fn has(program: &str) -> bool {
    let found = program_path(program).is_some();
    if !found {
        eprintln!("left out: there is no {program} here");
    }
    found
}

fn program_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// `vivarium` with nothing of this computer's own choice of an engine.
fn vivarium(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    for name in [
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
        "VIVARIUM_ENGINE",
        "VIVARIUM_INSTANCE",
        "VIVARIUM_TEMPLATE",
    ] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("DOCKER_CONFIG", home.join("docker"))
        .env("VIVARIUM_HOME", home.join("vivarium"))
        .envs(environment.iter().copied())
        .output()
        .expect("vivarium runs")
}

/// The engine in use, as `vivarium engines` tells it.
fn used(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default();
    serde_json::from_str(first).unwrap_or_else(|_| panic!("{text}{}", stderr(output)))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a program that must succeed.
fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        stderr(&output)
    );
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("written");
}

fn context(home: &Path, name: &str, host: &str) {
    let meta = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    write(
        &home.join(format!("docker/contexts/meta/{name}/meta.json")),
        &meta,
    );
}

#[test]
fn the_context_of_dockers_client_is_taken_and_others_can_be_chosen() {
    if !wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    context(home, "here", &format!("unix://{}", socket()));
    context(home, "gone", "unix:///nonexistent.sock");
    write(
        &home.join("docker/config.json"),
        r#"{"currentContext":"here"}"#,
    );
    let info = &used(&vivarium(home, &["engines", "--json"], &[]))["info"];
    assert_eq!(info["chosen_by"], "Docker's context here");
    assert_eq!(info["endpoint"], format!("unix://{}", socket()));

    // The environment wins over the file, a flag over the environment; one that does not answer
    // is told, and no other one taken in its place.
    let output = vivarium(home, &["engines", "--json"], &[("DOCKER_CONTEXT", "gone")]);
    assert_eq!(output.status.code(), Some(4));
    let message = used(&output)["failure"]["message"].to_string();
    assert!(message.contains("Docker's context gone"), "{message}");
    let by_hand = ["engines", "--json", "--engine", "here"];
    let output = vivarium(home, &by_hand, &[("DOCKER_CONTEXT", "gone")]);
    assert_eq!(used(&output)["info"]["chosen_by"], "chosen by hand");
}

/// An sshd of this user's own, ended when dropped.
struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    /// Tells other tests that the port is taken; see `free_port` of the end-to-end tests.
    _mark: UdpSocket,
}

impl Sshd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        for key in ["host", "user", "stranger"] {
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", key],
                at,
            );
        }
        // One that the system gives to nobody by itself.
        let from = 15_000 + u16::try_from(std::process::id() % 16_000).expect("small");
        let (port, mark) = (from..32_000)
            .find_map(|port| {
                let mark = UdpSocket::bind(("127.0.0.1", port)).ok()?;
                let is_free = TcpListener::bind(("127.0.0.1", port)).is_ok();
                is_free.then_some((port, mark))
            })
            .expect("a free port");
        let place = at.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nPidFile none\nStrictModes no\n\
             AuthorizedKeysFile {place}/user.pub\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        write(&at.join("sshd.conf"), &config);
        let host = std::fs::read_to_string(at.join("host.pub")).expect("a key");
        write(&at.join("known"), &format!("[localhost]:{port} {host}"));
        // The product calls plain `ssh`; this one knows the test's keys and nothing of the user's.
        for key in ["user", "stranger"] {
            let script = format!(
                "#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile={place}/known -o IdentitiesOnly=yes \
                 -o IdentityAgent=none -i {place}/{key} \"$@\"\n"
            );
            let ssh = at.join(format!("as-{key}/ssh"));
            write(&ssh, &script);
            std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755))
                .expect("executable");
        }
        // What Debian's package makes at boot; only root's sshd needs it, and only root can.
        let _ = std::fs::create_dir_all("/run/sshd");
        let sshd = program_path("sshd").expect("an sshd");
        let child = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(at.join("sshd.conf"))
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "sshd does not listen"
            );
            std::thread::yield_now();
        }
        Self {
            child,
            folder,
            port,
            _mark: mark,
        }
    }

    /// A PATH whose `ssh` shows this key.
    fn path(&self, key: &str) -> String {
        let first = self.folder.path().join(format!("as-{key}"));
        format!(
            "{}:{}",
            first.display(),
            std::env::var("PATH").unwrap_or_default()
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_engine_is_reached_through_ssh_and_what_ssh_says_is_passed_on() {
    if !wanted() || !has("sshd") || !has("ssh") || !has("docker") {
        return;
    }
    let sshd = Sshd::start();
    let home = tempfile::tempdir().unwrap();
    let ask = |engine: &str, key: &str| {
        let path = sshd.path(key);
        let arguments = ["engines", "--json", "--engine", engine];
        vivarium(home.path(), &arguments, &[("PATH", &path)])
    };
    let engine = format!("ssh://localhost:{}{}", sshd.port, socket());
    let output = ask(&engine, "user");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(used(&output)["info"]["endpoint"], engine);

    let told = |output: &Output| used(output)["failure"]["cause"].to_string();
    let refused = told(&ask(&engine, "stranger"));
    assert!(refused.contains("Permission denied"), "{refused}");
    let nowhere = format!("ssh://localhost:{}/nonexistent.sock", sshd.port);
    let missing = told(&ask(&nowhere, "user"));
    assert!(missing.contains("nonexistent.sock"), "{missing}");
}

/// A certificate authority, and certificates of a server and of a client that it signed.
fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| run("openssl", arguments, folder);
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    openssl(
        &[
            &[
                "req",
                "-x509",
                "-days",
                "2",
                "-subj",
                "/CN=test authority",
                "-keyout",
                "ca-key.pem",
                "-out",
                "ca.pem",
            ],
            &key[..],
        ]
        .concat(),
    );
    write(
        &folder.join("names"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\n",
    );
    for (name, key_file) in [("server", "server-key.pem"), ("cert", "key.pem")] {
        let request = format!("{name}.csr");
        let subject = format!("/CN={name}");
        openssl(
            &[
                &[
                    "req", "-subj", &subject, "-keyout", key_file, "-out", &request,
                ],
                &key[..],
            ]
            .concat(),
        );
        let certificate = format!("{name}.pem");
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-out",
            &certificate,
        ]);
    }
}

/// TLS in front of the engine's socket, as `dockerd --tlsverify` has it; answers its port.
async fn encrypt(folder: &Path) -> u16 {
    let certificate =
        |name| CertificateDer::from_pem_file(folder.join(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate("server.pem")],
            PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).expect("a key"),
        );
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let engine = tokio::net::UnixStream::connect(socket()).await;
                // A client that shows no certificate, or none that is trusted, is the test's.
                if let (Ok(mut client), Ok(mut engine)) = (acceptor.accept(stream).await, engine) {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_checks_both_sides() {
    if !wanted() || !has("openssl") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (ours, others) = (home.path().join("ours"), home.path().join("others"));
    for folder in [&ours, &others] {
        std::fs::create_dir_all(folder).unwrap();
        certificates(folder);
    }
    let engine = format!("https://127.0.0.1:{}", encrypt(&ours).await);
    let ask = async |folder: PathBuf| {
        let (home, engine) = (home.path().to_owned(), engine.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let arguments = ["engines", "--json", "--engine", &engine];
            let folder = folder.display().to_string();
            vivarium(&home, &arguments, &[("DOCKER_CERT_PATH", &folder)])
        });
        used(&asked.await.unwrap())
    };
    let answered = ask(ours.clone()).await;
    assert_eq!(answered["info"]["endpoint"], engine, "{answered}");
    // Another authority's certificates, and none at all.
    let refused = ask(others).await;
    assert_eq!(refused["failure"]["code"], "engine_denied", "{refused}");
    assert!(
        refused["failure"]["cause"]
            .to_string()
            .contains("certificate"),
        "{refused}"
    );
    let missing = ask(home.path().join("nowhere")).await;
    assert!(
        missing["failure"]["cause"].to_string().contains("ca.pem"),
        "{missing}"
    );
}
