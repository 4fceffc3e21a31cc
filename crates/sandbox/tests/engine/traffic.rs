//! What goes over a sandbox's network is counted.

use sandbox::Owner;
use wire::sandbox::{CreateRequest, NetworkMode, NetworkRequest, SandboxUsage};

use crate::{Site, create, run, settings, until, wanted};

#[tokio::test]
async fn what_goes_over_its_network_is_counted_and_without_one_nothing_is() {
    if !wanted() {
        return;
    }
    let site = Site::new("traffic");
    let (sandboxes, _task) = site.start(settings()).await;
    let request = CreateRequest {
        network: Some(NetworkRequest::Mode(NetworkMode::Internet)),
        ..CreateRequest::default()
    };
    let (with, without) = (
        create(&sandboxes, request).await,
        create(&sandboxes, CreateRequest::default()).await,
    );
    let sent = async |id| -> Option<SandboxUsage> {
        sandboxes.get(&Owner::Person, id).await.unwrap().usage
    };
    // Nobody listens there; the datagrams leave all the same.
    let datagrams = "for i in $(seq 100); do head -c 1000 /dev/zero > /dev/udp/192.0.2.1/9; done";
    run(&sandboxes, &with, datagrams).await;
    until("its datagrams are counted", async || {
        let usage = sent(&with).await;
        usage.is_some_and(|usage| usage.network_sent_bytes >= Some(100_000))
    })
    .await;
    // Loopback is no network.
    run(
        &sandboxes,
        &without,
        "for i in $(seq 100); do head -c 1000 /dev/zero > /dev/udp/127.0.0.1/9; done",
    )
    .await;
    until("it is looked at", async || sent(&without).await.is_some()).await;
    let usage = sent(&without).await.unwrap();
    assert_eq!(
        (usage.network_received_bytes, usage.network_sent_bytes),
        (Some(0), Some(0))
    );
    for id in [&with, &without] {
        sandboxes.remove(&Owner::Person, id).await.unwrap();
    }
    sandboxes.stop().await;
}
