use nix::unistd::Pid;
use wire::job::JobState;

use super::{command::LONGEST, *};

fn shell() -> Shell {
    Shell::new(std::env::temp_dir().canonicalize().unwrap())
}

#[tokio::test]
async fn cwd_and_environment_last_but_not_those_of_a_command() {
    let shell = shell();
    shell.context.set("COLOUR", "green").unwrap();
    shell.context.cd("/").unwrap();
    let answer = shell
        .run("cd /tmp; export COLOUR=red; pwd", None, None)
        .await
        .unwrap();
    assert_eq!(answer.stdout, "/tmp\n");
    let answer = shell
        .run("pwd; echo $COLOUR; echo no >&2; exit 7", None, None)
        .await
        .unwrap();
    assert_eq!(
        (
            answer.stdout.as_str(),
            answer.stderr.as_str(),
            answer.returncode
        ),
        ("/\ngreen\n", "no\n", Some(7))
    );
    assert_eq!(answer.status, ExecStatus::Completed);
    assert!(matches!(
        shell.context.cd("nowhere"),
        Err(ShellError::NoFolder(_))
    ));
}

#[tokio::test]
async fn what_a_command_starts_is_known_to_be_of_the_shell() {
    let shell = shell();
    shell.context.set(crate::init::MARK, "another").unwrap();
    let said = shell.run("printenv VIVARIUM_SERVICE", None, None).await;
    assert_eq!(said.unwrap().stdout, "shell\n");
}

#[tokio::test]
async fn what_can_not_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(folder.path().to_owned());
    let most = format!("echo fits{}", " ".repeat(LONGEST - "echo fits".len()));
    let answer = shell.run(most.as_str(), None, None).await.unwrap();
    assert_eq!(answer.stdout, "fits\n");
    let longer = format!("{most} ");
    let refused = shell.run(longer.as_str(), None, None).await;
    assert!(matches!(refused, Err(ShellError::TooLong)));
    let refused = shell.run("a\0b", None, None).await;
    assert!(matches!(refused, Err(ShellError::ZeroByte)));
    folder.close().unwrap();
    let refused = shell.run("true", None, None).await;
    assert!(matches!(refused, Err(ShellError::FolderGone(_))));
}

#[tokio::test]
async fn no_variable_keeps_commands_from_starting() {
    let shell = shell();
    shell.context.set("PATH", "/nowhere").unwrap();
    let piece = "v".repeat(context::LONGEST_VARIABLE - 100);
    let full = (0..100).find(|index| shell.context.set(&format!("V{index}"), &piece).is_err());
    assert!(full.is_some_and(|full| full > 10), "{full:?}");
    let longest = format!("echo fits{}", " ".repeat(LONGEST - "echo fits".len()));
    let answer = shell.run(longest.as_str(), None, None).await.unwrap();
    assert_eq!(answer.stdout, "fits\n");
}

#[tokio::test]
async fn a_time_limit_ends_the_whole_group() {
    let mark = format!("86{}", std::process::id());
    let command = format!("sleep {mark} & sleep {mark}");
    let answer = shell()
        .run(command.as_str(), Some(Duration::from_millis(100)), None)
        .await
        .unwrap();
    assert_eq!(answer.status, ExecStatus::Timeout);
    let left = || {
        let mut pgrep = std::process::Command::new("pgrep");
        let pgrep = pgrep.args(["-fx", &format!("sleep {mark}")]).output();
        pgrep.unwrap().stdout
    };
    // What was killed is gone a moment later.
    let begin = std::time::Instant::now();
    while !left().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(120));
    }
}

#[tokio::test]
async fn a_command_is_listed_and_can_be_cancelled() {
    let shell = shell();
    let cancelling = async {
        loop {
            let jobs = shell.commands.jobs();
            if let Some(job) = jobs.first() {
                assert_eq!((job.title.as_str(), job.exit), ("sleep 600", None));
                assert!(shell.commands.cancel(&job.id));
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let running = shell.run_for(JobOwner::Person, "sleep 600", None, None);
    let (answer, ()) = tokio::join!(running, cancelling);
    let answer = answer.unwrap();
    assert_eq!(answer.status, ExecStatus::Interrupted);
    let job = shell.commands.jobs().remove(0);
    assert_eq!(job.owner, JobOwner::Person);
    assert_eq!(
        (job.state, job.exit),
        (JobState::Cancelled, answer.returncode)
    );
    // One that fails says so by its exit code.
    shell.run("exit 3", None, None).await.unwrap();
    let job = shell.commands.jobs().remove(1);
    assert_eq!(job.exit, Some(3));
    assert!(matches!(job.state, JobState::Failed { why } if why.contains('3')));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_time_gets_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(folder.path().to_owned());
    let (sink, mut pieces) = mpsc::channel(1);
    let first = ShellOutput {
        name: "stdout",
        text: String::new(),
    };
    // There is no room for another one, until bash has ended.
    sink.send(first).await.unwrap();
    let command = "echo $$ >new; mv new pid; printf '%60000s' x";
    let run = tokio::spawn(async move { shell.run(command, None, Some(sink)).await });
    let soon = || tokio::time::sleep(Duration::from_millis(1));
    let pid = loop {
        if let Ok(pid) = std::fs::read_to_string(folder.path().join("pid")) {
            break format!("/proc/{}", pid.trim());
        }
        soon().await;
    };
    while Path::new(&pid).exists() {
        soon().await;
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let mut length = 0;
    while let Some(piece) = pieces.recv().await {
        length += piece.text.len();
    }
    let answer = run.await.unwrap().unwrap();
    assert_eq!((length, answer.stdout.len()), (60_000, 60_000));
}

#[tokio::test]
async fn what_goes_on_in_the_background_holds_no_answer_up() {
    let command = "(while :; do echo y; done) & echo $!";
    let answer = shell().run(command, None, None).await.unwrap();
    let pid: i32 = answer
        .stdout
        .lines()
        .find_map(|line| line.parse().ok())
        .unwrap();
    assert_eq!(answer.status, ExecStatus::Completed);
    // Nobody reads what it says: it may have ended by that.
    let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
}

#[tokio::test]
async fn output_comes_in_pieces_and_whole_letters() {
    let (sink, mut pieces) = mpsc::channel(16);
    let shell = shell();
    let run = shell.run("printf 'a\\303'; printf '\\244b'", None, Some(sink));
    let (answer, text) = tokio::join!(run, async {
        let mut text = String::new();
        while let Some(piece) = pieces.recv().await {
            text += &piece.text;
        }
        text
    });
    assert_eq!(
        (answer.unwrap().stdout.as_str(), text.as_str()),
        ("aäb", "aäb")
    );
}
