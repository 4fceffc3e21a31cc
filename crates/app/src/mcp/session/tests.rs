use tokio::{io::AsyncReadExt, net::TcpListener};

use super::*;

#[test]
fn parameters_reach_the_server_as_they_are_written() {
    let asked = json!({"id": 1, "method": "tools/call"});
    let text = r#"{"n": 123456789012345678901234567890, "f": 1.10}"#;
    let body = String::from_utf8(with_params(&asked, text).unwrap()).unwrap();
    assert_eq!(
        body,
        format!(r#"{{"id":1,"method":"tools/call","params":{text}}}"#)
    );
    for broken in ["", "{", r#"{}, "id": 2"#, "{} {}"] {
        let refused = with_params(&asked, broken).unwrap_err();
        assert_eq!(refused.code, FailureCode::Invalid, "{broken}");
    }
}

/// Why a session didn't open where nothing is ever answered.
async fn given_up(server: Option<&str>) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.map(str::to_owned);
    let opening = tokio::spawn(async move {
        let request = McpOpenRequest {
            server,
            answers: false,
        };
        let (journal, tasks) = (Journal::new(), TaskTracker::new());
        let stop = CancellationToken::new();
        let sessions = Sessions::default();
        let client = machine_client::Client::tcp(port, Some("t")).unwrap();
        let opened = sessions.open(client, &request, &journal, &tasks, &stop);
        opened.await.err()
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    // Only when it waits for the answer does the time that it may take pass at once.
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    tokio::time::pause();
    opening.await.unwrap().unwrap().cause
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_when_it_could_have_started() {
    let cause = given_up(Some("slow")).await;
    assert_eq!(cause.as_deref(), Some("no answer within 610 s"));
}

#[tokio::test]
async fn all_servers_together_wait_for_none_of_them_to_start() {
    let cause = given_up(None).await;
    assert_eq!(cause.as_deref(), Some("no answer within 60 s"));
}
