//! The commands about agents.

use wire::{agent::*, commands::Nothing, failure::Failure, log::LogLines};

use super::TerminalPlace;
use crate::App;

impl App {
    pub(crate) async fn agent_list(&self, _: Nothing) -> Result<AgentList, Failure> {
        Ok(self.agents().await?.list())
    }

    pub(crate) async fn agent_start(&self, request: StartAgent) -> Result<AgentStarted, Failure> {
        let tool = self.agent_tool(&request).await?;
        Ok(self.agents().await?.spawn(&request, &tool).await?)
    }

    pub(crate) async fn agent_screen(&self, request: AgentName) -> Result<AgentScreen, Failure> {
        let text = self.agents().await?.screen(&request.id).await?;
        Ok(AgentScreen { text })
    }

    pub(crate) async fn agent_send(&self, request: AgentSendRequest) -> Result<Nothing, Failure> {
        let agents = self.agents().await?;
        agents.send(&request.id, &request.text).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_keys(&self, request: AgentKeysRequest) -> Result<Nothing, Failure> {
        let agents = self.agents().await?;
        agents.keys(&request.id, &request.keys).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_answer(
        &self,
        request: AgentAnswerRequest,
    ) -> Result<Nothing, Failure> {
        let AgentAnswerRequest {
            id,
            ask,
            allow,
            message,
        } = request;
        let agents = self.agents().await?;
        agents.answer(&id, ask, allow, message).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_stop(&self, request: AgentStopRequest) -> Result<Nothing, Failure> {
        let agents = self.agents().await?;
        agents.stop(&request.id, request.keep).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_pause(&self, request: AgentName) -> Result<AgentView, Failure> {
        let agents = self.agents().await?;
        agents.pause(&request.id).await?;
        Ok(agents.get(&request.id)?)
    }

    pub(crate) async fn agent_resume(&self, request: AgentName) -> Result<AgentView, Failure> {
        Ok(self.agents().await?.resume(&request.id).await?)
    }

    pub(crate) async fn agent_remove(&self, request: AgentName) -> Result<Nothing, Failure> {
        self.agents().await?.remove(&request.id).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_clean(&self, _: Nothing) -> Result<AgentsCleaned, Failure> {
        let count = self.agents().await?.clean().await?;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(AgentsCleaned { count })
    }

    pub(crate) async fn agent_logs(&self, request: AgentLogsRequest) -> Result<LogLines, Failure> {
        let agents = self.agents().await?;
        let lines = agents.logs(&request.id, request.lines.min(10_000)).await?;
        Ok(LogLines { lines })
    }

    /// A ticket to an agent's terminal. Whether that can be shown is told there.
    pub(crate) async fn agent_terminal_open(
        &self,
        request: AgentTerminalRequest,
    ) -> Result<AgentTerminalTicket, Failure> {
        let agents = self.agents().await?;
        agents.get(&request.id)?;
        let place = TerminalPlace::new(agents, request);
        let url = self.inner.shared.bridge.address_of_terminal(place);
        Ok(AgentTerminalTicket { url })
    }
}
