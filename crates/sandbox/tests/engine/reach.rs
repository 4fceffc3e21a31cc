//! What untrusted code can't reach: this computer, what listens on its loopback, other sandboxes, any
//! network with *none*; and what the two other networks keep from it.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

use futures_util::StreamExt;
use sandbox::{Owner, Sandboxes};
use wire::sandbox::{CreateRequest, ExecRequest, NetworkMode, NetworkRequest, SandboxId};

use crate::{Site, create, docker, python, run, settings, wanted, with_python};

fn of_mode(mode: NetworkMode) -> CreateRequest {
    CreateRequest {
        network: Some(NetworkRequest::Mode(mode)),
        ..with_python()
    }
}

/// What listens on this computer while a test runs. Nobody is answered: whoever connects is there.
struct Listeners {
    /// On its loopback.
    loopback: TcpListener,
    /// On all of its addresses.
    all: TcpListener,
    /// By an abstract name, which belongs to a network and to no folder.
    local: UnixListener,
    name: String,
}

impl Listeners {
    fn new(site: &Site) -> Self {
        let name = format!("{}-abstract", site.instance);
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listeners = Self {
            loopback: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            all: TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap(),
            local: UnixListener::bind_addr(&address).unwrap(),
            name,
        };
        for listener in [&listeners.loopback, &listeners.all] {
            listener.set_nonblocking(true).unwrap();
        }
        listeners.local.set_nonblocking(true).unwrap();
        listeners
    }

    fn loopback_port(&self) -> u16 {
        self.loopback.local_addr().unwrap().port()
    }

    fn all_port(&self) -> u16 {
        self.all.local_addr().unwrap().port()
    }

    /// Whether anybody came to what only this computer may reach.
    fn nobody_came(&self) {
        for accepted in [
            self.loopback.accept().map(drop),
            self.local.accept().map(drop),
        ] {
            assert_eq!(accepted.unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}

/// Addresses of this computer, and of its containers' bridge.
fn own_addresses() -> Vec<String> {
    let mut addresses = docker(&[
        "network",
        "inspect",
        "bridge",
        "--format",
        "{{range .IPAM.Config}}{{.Gateway}}{{end}}",
    ]);
    // Nothing is sent: it only says from which address it would be.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    if socket.connect("192.0.2.1:9").is_ok() {
        addresses.push(socket.local_addr().unwrap().ip().to_string());
    }
    addresses.retain(|address| !address.is_empty());
    addresses
}

/// Connects to each, all at once, and says what came of it. What is dropped on the way says nothing, so
/// silence is waited for; `@NAME` is an abstract name.
const KNOCKS: &str = r#"
import errno, socket, sys
from concurrent.futures import ThreadPoolExecutor
def knock(where):
    try:
        if where.startswith("@"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect("\0" + where[1:])
        else:
            host, port = where.rsplit(":", 1)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as s:
                s.settimeout(3)
                s.connect((host, int(port)))
        return "reached"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
with ThreadPoolExecutor(32) as pool:
    for where, what in zip(sys.argv[1:], pool.map(knock, sys.argv[1:])):
        print(what, where)
"#;

/// Fails with all that was reached, or said that it is there.
async fn reaches_none(sandboxes: &Sandboxes, id: &SandboxId, allowed: &[&str], places: &[String]) {
    let said = python(sandboxes, id, KNOCKS, places).await;
    assert_eq!(said.lines().count(), places.len(), "{said}");
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| !allowed.iter().any(|word| line.starts_with(word)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn without_a_network_there_is_no_ipv4() {
    if !wanted() {
        return;
    }
    let site = Site::new("ipv4");
    let listeners = Listeners::new(&site);
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, with_python()).await;
    let mut places = own_addresses()
        .iter()
        .map(|address| format!("{address}:{}", listeners.all_port()))
        .collect::<Vec<_>>();
    // The metadata services of clouds, the engine's usual port, the internet, all at home.
    for place in [
        "169.254.169.254:80",
        "169.254.170.2:80",
        "100.100.100.200:80",
        "172.17.0.1:2375",
        "1.1.1.1:443",
        "10.0.0.1:80",
        "192.168.1.1:80",
    ] {
        places.push(place.into());
    }
    reaches_none(&sandboxes, &id, &["ENETUNREACH"], &places).await;
    // Its loopback is its own.
    let near = [
        format!("127.0.0.1:{}", listeners.loopback_port()),
        format!("127.0.0.1:{}", listeners.all_port()),
        format!("0.0.0.0:{}", listeners.all_port()),
        format!("@{}", listeners.name),
    ];
    reaches_none(&sandboxes, &id, &["ECONNREFUSED"], &near).await;
    listeners.nobody_came();
    let look = "ls /sys/class/net; tail -n +2 /proc/net/route; tail -n +2 /proc/net/arp";
    assert_eq!(run(&sandboxes, &id, look).await.stdout, "lo\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn without_a_network_there_is_no_ipv6() {
    if !wanted() {
        return;
    }
    let site = Site::new("ipv6");
    // This computer may have no IPv6 itself.
    let near = TcpListener::bind("[::1]:0");
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, with_python()).await;
    let places = [
        "2606:4700::1111:443",
        "fd00:ec2::254:80",
        "fe80::1:80",
        "ff02::1:80",
        // IPv4 in IPv6's disguises.
        "::ffff:1.1.1.1:443",
        "::ffff:169.254.169.254:80",
        "64:ff9b::1.1.1.1:443",
        "2002:101:101::1:443",
    ]
    .map(str::to_owned);
    // Where the kernel of this computer has no IPv6 at all, there are no such sockets either.
    let nothing = ["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"];
    reaches_none(&sandboxes, &id, &nothing, &places).await;
    let own = near
        .iter()
        .map(|near| format!("::1:{}", near.local_addr().unwrap().port()))
        .collect::<Vec<_>>();
    let refused = ["ECONNREFUSED", "EADDRNOTAVAIL", "EAFNOSUPPORT"];
    reaches_none(&sandboxes, &id, &refused, &own).await;
    let look = "grep -v ' lo$' /proc/net/if_inet6; grep -v ' lo$' /proc/net/ipv6_route; true";
    assert_eq!(run(&sandboxes, &id, look).await.stdout, "");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// Asks for names as programs do, then the servers themselves.
const NAMES: &str = r#"
import os, re, socket, sys
# A server that says nothing is waited for once.
os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
for name in ["example.org", "localhost.localdomain.example.org", "host.docker.internal", "gateway.docker.internal", "metadata.google.internal", *sys.argv[1:]]:
    try:
        print("found", name, socket.getaddrinfo(name, 80)[0][4])
    except OSError:
        pass
question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
servers = re.findall(r"^nameserver\s+(\S+)", open("/etc/resolv.conf").read(), re.M)
asked = 0
for server in {*servers, "127.0.0.1", "127.0.0.11", "127.0.0.53", "1.1.1.1", "8.8.8.8"}:
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        try:
            s.connect((server, 53))
            s.send(question)
            print("answered", server, s.recv(512))
        except OSError:
            asked += 1
print("asked", asked > 4)
"#;

#[tokio::test]
async fn without_a_network_no_name_is_found() {
    if !wanted() {
        return;
    }
    let site = Site::new("dns");
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, with_python()).await;
    let other = create(&sandboxes, CreateRequest::default()).await;
    let names = [other.container()];
    assert_eq!(python(&sandboxes, &id, NAMES, &names).await, "asked True\n");
    // Its own are known all the same.
    for name in ["localhost", "sandbox"] {
        let found = run(&sandboxes, &id, &format!("getent ahosts {name}")).await;
        assert!(found.stdout.contains("127.0.0.1 "), "{found:?}");
    }
    for id in [id, other] {
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
    }
    sandboxes.stop().await;
}

/// Opens a socket of each kind that there may be, in each way.
const KINDS: &str = r#"
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for kind in range(64):
    for way in (1, 2, 3, 5):
        ctypes.set_errno(0)
        if libc.socket(kind, way, 0) != -1:
            print("opened", kind)
        elif kind == 40:
            print("hypervisor", errno.errorcode[ctypes.get_errno()])
"#;

#[tokio::test]
async fn no_socket_leads_past_the_network() {
    if !wanted() {
        return;
    }
    let site = Site::new("sockets");
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, with_python()).await;
    let said = python(&sandboxes, &id, KINDS, &[]).await;
    let opened = said.lines().filter_map(|line| line.strip_prefix("opened "));
    // Local ones, IPv4, IPv6 and the kernel's: a network namespace bounds these.
    let other: Vec<&str> = opened
        .filter(|kind| !["1", "2", "10", "16"].contains(kind))
        .collect();
    assert!(other.is_empty(), "{other:?}");
    assert!(said.contains("hypervisor EAFNOSUPPORT\n"), "{said}");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// Listens on all addresses of the sandbox, and says its own and the port.
const LISTENS: &str = r#"
import socket, time
s = socket.create_server(("0.0.0.0", 0))
try:
    own = socket.gethostbyname(socket.gethostname())
except OSError:
    own = "127.0.0.1"
print(own, s.getsockname()[1], flush=True)
time.sleep(600)
"#;

/// Starts such a program; where it listens.
async fn listens(sandboxes: &Sandboxes, id: &SandboxId) -> String {
    let words = ["python3", "-c", LISTENS].map(str::to_owned);
    let request = ExecRequest {
        command: wire::kernel::ShellCommand::Arguments(words.into()),
        background: true,
        ..ExecRequest::default()
    };
    let exec = sandboxes.exec(&Owner::Person, id, request).await.unwrap();
    let first = crate::soon(exec.events(0).next()).await.unwrap();
    let said = String::from_utf8_lossy(first.kind.data().unwrap()).into_owned();
    let (address, port) = said.trim().split_once(' ').unwrap();
    format!("{address}:{port}")
}

#[tokio::test]
async fn sandboxes_do_not_reach_each_other() {
    if !wanted() {
        return;
    }
    let site = Site::new("others");
    let (sandboxes, _task) = site.start(settings()).await;
    for mode in [
        NetworkMode::None,
        NetworkMode::Isolated,
        NetworkMode::Internet,
    ] {
        let one = create(&sandboxes, of_mode(mode)).await;
        let other = create(&sandboxes, of_mode(mode)).await;
        let place = listens(&sandboxes, &one).await;
        // It listens: for itself it is there.
        let said = python(&sandboxes, &one, KNOCKS, std::slice::from_ref(&place)).await;
        assert_eq!(said, format!("reached {place}\n"), "{mode:?}");
        let port = place.rsplit(':').next().unwrap();
        let places = [place.clone(), format!("127.0.0.1:{port}")];
        let nothing = [
            "silence",
            "ENETUNREACH",
            "EHOSTUNREACH",
            "ECONNREFUSED 127.0.0.1",
        ];
        // With none each of them has an address of loopback only.
        let nothing = match place.starts_with("127.") {
            true => &["ECONNREFUSED"],
            false => &nothing[..],
        };
        reaches_none(&sandboxes, &other, nothing, &places).await;
        for id in [one, other] {
            sandboxes.remove(&Owner::Person, &id).await.unwrap();
        }
    }
    sandboxes.stop().await;
}

#[tokio::test]
async fn an_isolated_one_reaches_nothing_outside_of_it() {
    if !wanted() {
        return;
    }
    let site = Site::new("isolated");
    let listeners = Listeners::new(&site);
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, of_mode(NetworkMode::Isolated)).await;
    let look = "ls /sys/class/net | tr '\\n' ' '; hostname -I | sed 's/[0-9]* *$/1/'";
    let looked = run(&sandboxes, &id, look).await.stdout;
    let gateway = looked.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(looked.contains("eth0"), "{looked}");
    let mut places = own_addresses();
    places.push(gateway);
    let mut places: Vec<String> = places
        .iter()
        .map(|address| format!("{address}:{}", listeners.all_port()))
        .collect();
    for place in ["169.254.169.254:80", "1.1.1.1:443"] {
        places.push(place.into());
    }
    // Older engines give it a route, which leads nowhere: not even to this computer.
    let nothing = ["silence", "ENETUNREACH", "EHOSTUNREACH"];
    reaches_none(&sandboxes, &id, &nothing, &places).await;
    let near = [
        format!("127.0.0.1:{}", listeners.loopback_port()),
        format!("@{}", listeners.name),
    ];
    reaches_none(&sandboxes, &id, &["ECONNREFUSED"], &near).await;
    listeners.nobody_came();
    let names = python(&sandboxes, &id, NAMES, &[]).await;
    assert!(!names.contains("found"), "{names}");
    let look = "grep -v ' lo$' /proc/net/if_inet6; true";
    assert_eq!(run(&sandboxes, &id, look).await.stdout, "");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn the_internet_is_no_way_to_what_is_only_this_computer_s() {
    if !wanted() {
        return;
    }
    let site = Site::new("internet");
    let listeners = Listeners::new(&site);
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, of_mode(NetworkMode::Internet)).await;
    let look = "ls /sys/class/net | tr '\\n' ' '; cut -f2 /proc/net/route | grep -c '^00000000$'";
    let looked = run(&sandboxes, &id, look).await.stdout;
    assert!(
        looked.contains("eth0") && looked.ends_with(" 1\n"),
        "{looked}"
    );
    let mut places: Vec<String> = own_addresses()
        .iter()
        .map(|address| format!("{address}:{}", listeners.loopback_port()))
        .collect();
    places.push(format!("127.0.0.1:{}", listeners.loopback_port()));
    places.push(format!("@{}", listeners.name));
    let nothing = ["ECONNREFUSED", "silence", "EHOSTUNREACH"];
    reaches_none(&sandboxes, &id, &nothing, &places).await;
    listeners.nobody_came();
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}
