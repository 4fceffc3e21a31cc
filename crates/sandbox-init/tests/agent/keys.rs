//! Keys are the tool's alone.

use agent_status::ToHelper;

use crate::helper::{Follower, Helper, launch};

const VALUE: &str = "sk-planted-secret";

#[test]
fn keys_reach_the_tool_and_nothing_else() {
    let helper = Helper::start();
    let mut wanted = launch(
        "printenv API_KEY >$TEST_FOLDER/got; exec sleep 1000",
        "printenv API_KEY >$TEST_FOLDER/got-again",
    );
    wanted.needs_keys = true;
    let mut follower = Follower::new(&helper.socket());
    let keys = |helper: &Helper| {
        std::fs::write(
            helper.path("run/keys.json"),
            format!(r#"{{"API_KEY":"{VALUE}"}}"#),
        )
        .unwrap();
    };
    keys(&helper);
    follower.say(&ToHelper::Launch(Box::new(wanted)));
    crate::until("the tool has it", || helper.read("got").trim() == VALUE);
    assert!(!helper.path("run/keys.json").exists());
    for file in ["run/run.json", "state/launch.json", "state/state.json"] {
        assert!(!helper.read(file).contains(VALUE), "{file}");
    }
    for pid in [helper.child.id().cast_signed(), helper.pid("tool").as_raw()] {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).into_owned();
        assert!(!text.contains(VALUE), "{pid}");
    }
    helper.terminate();
    let (_, log, folder) = helper.ended();
    assert!(!log.contains(VALUE));
    // In another life it waits until they are brought again.
    let helper = Helper::start_in(folder);
    let mut follower = Follower::new(&helper.socket());
    follower.find("it waits", |snapshot| snapshot.waits_for_keys);
    assert_eq!(helper.read("got-again"), "");
    keys(&helper);
    follower.say(&ToHelper::Begin);
    crate::until("the tool has it again", || {
        helper.read("got-again").trim() == VALUE
    });
}
