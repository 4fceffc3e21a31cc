//! A container beside an agent's, for what it made when its own doesn't run: with the same files, and with
//! nothing of its tool.

use std::{collections::BTreeMap, sync::Arc};

use containers::{Bind, ContainerSpec, Engine, Limits};
use init_client::{INIT_FOLDER, INIT_PROGRAM, Opening, Session, Transport};
use wire::agent::AgentId;

use super::Keeper;
use crate::{
    agent::Agent,
    container::{HOME, USER, WORKSPACE, home_volume, work_volume},
    error::AgentError,
};

/// What such containers are, in their label.
const KIND: &str = "agent-files";
/// How long one lives that nobody removes.
const LONGEST_S: &str = "1800";

/// A conversation in such a container.
pub(crate) struct Beside {
    engine: Engine,
    name: String,
    pub(crate) session: Session,
}

impl Keeper {
    /// Starts one. Its caller holds the lock of the agent's work, so that one that is there was left behind.
    pub(crate) async fn beside(&self, agent: &Arc<Agent>) -> Result<Beside, AgentError> {
        let engine = self.engine().await?;
        let id = &agent.about.id;
        let name = self.labels.named(&format!("{KIND}-{id}"));
        let (init, labels) = (
            self.labels.named("sandbox-init"),
            self.labels.of_kind("sandbox-init"),
        );
        let image = &agent.about.made.image;
        let files = self.init.ensure(&engine, &init, labels, image).await?;
        let spec = spec(&name, image, &files.volume, id, self.labels.of_kind(KIND));
        engine.remove_container(&name).await?;
        engine.create_container(&spec).await?;
        let session = open(&engine, agent, &name).await;
        match session {
            Ok(session) => Ok(Beside {
                engine,
                name,
                session,
            }),
            Err(error) => {
                // Its own failure is what counts.
                let _ = engine.remove_container(&name).await;
                Err(error)
            }
        }
    }
}

impl Beside {
    /// Removes it.
    pub(crate) async fn close(self) {
        self.session.close().await;
        if let Err(error) = self.engine.remove_container(&self.name).await {
            tracing::warn!(container = self.name, %error, "a container could not be removed");
        }
    }
}

async fn open(engine: &Engine, agent: &Agent, name: &str) -> Result<Session, AgentError> {
    engine.start_container(name).await?;
    let command = [INIT_PROGRAM, "--root", HOME, "--root", WORKSPACE];
    let attached = engine.exec_attached(name, &command).await?;
    let opened = Session::open(Transport::from(attached), Opening::First).await;
    let (session, _) = opened.map_err(|end| agent.helper_error(end.to_string()))?;
    Ok(session)
}

fn spec(
    name: &str,
    image: &str,
    init_volume: &str,
    id: &AgentId,
    labels: BTreeMap<String, String>,
) -> ContainerSpec {
    let bind = |source: String, target: &str, read_only| Bind {
        source,
        target: target.to_owned(),
        read_only,
    };
    ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        entrypoint: Some(vec!["sleep".into()]),
        command: Some(vec![LONGEST_S.into()]),
        user: Some(USER.into()),
        working_dir: Some(WORKSPACE.into()),
        labels,
        environment: BTreeMap::from([("HOME".to_owned(), HOME.to_owned())]),
        binds: vec![
            bind(init_volume.to_owned(), INIT_FOLDER, true),
            bind(home_volume(id), HOME, false),
            bind(work_volume(id), WORKSPACE, false),
        ],
        without_network: true,
        limits: Limits {
            memory_bytes: Some(1 << 30),
            pids: Some(256),
            ..Limits::default()
        },
        security_options: vec!["no-new-privileges".into()],
        drop_capabilities: true,
        ..ContainerSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_nothing_but_the_agent_s_files() {
        let id: AgentId = "a1".parse().unwrap();
        let spec = spec("x", "image", "v", &id, BTreeMap::new());
        assert!(spec.without_network && spec.network.is_none() && spec.folders.is_empty());
        assert!(spec.drop_capabilities && spec.add_capabilities.is_empty());
        assert_eq!(spec.security_options, ["no-new-privileges"]);
        assert_eq!(spec.user.as_deref(), Some("agent"));
        let sources: Vec<&str> = spec.binds.iter().map(|bind| bind.source.as_str()).collect();
        assert_eq!(sources, ["v", "tmux-agent-a1-home", "tmux-agent-a1-work"]);
    }
}
