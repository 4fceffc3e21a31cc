//! `body computer`: the machine as an MCP server over stdio. What it offers about the kernel, the
//! shell and snapshots goes over the machine's own API; the display it uses as any X client does,
//! so that an AI and the person see and use the same one. Both may start after it, and may be
//! restarted under it.
//!
//! - `input`, `look`, `machine`: the tools, those that touch, those that look, and those about the kernel
//! - `screen`: the display; `frames` remembers the pictures of it that were given out
//! - `client`, `takeover`, `error`: the machine's API, who has mouse and keyboard, and what goes wrong

mod client;
mod error;
mod frames;
mod input;
mod look;
mod machine;
mod screen;
mod takeover;

use std::{process::ExitCode, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use rmcp::{
    ServerHandler, ServiceExt, handler::server::router::tool::ToolRouter, tool_handler,
    transport::stdio,
};

use self::{client::Client, error::ComputerError, frames::Frames, screen::Screen};

/// The server.
#[derive(Clone)]
struct Computer {
    client: Client,
    /// Opened when it is first needed, and again when it was restarted.
    screen: Arc<Mutex<Option<Screen>>>,
    frames: Arc<Mutex<Frames>>,
    tools: ToolRouter<Self>,
}

#[tool_handler(
    router = self.tools,
    name = "computer",
    instructions = "A Linux machine that you share with a person, who sees everything you do on its display. \
        exec_python runs code in a Python kernel that keeps its variables; run_shell runs bash commands. \
        For the display: take a screenshot, act with click, type_text, key, scroll or drag in that picture's \
        coordinates, and take another screenshot (wait_for_change waits until the screen changes). The person may take \
        control of mouse and keyboard: then input is refused and wait_for_handback waits until they release it."
)]
impl ServerHandler for Computer {}

impl Computer {
    fn new() -> Self {
        let mut tools = Self::machine_tools() + Self::looking_tools() + Self::input_tools();
        crate::tool_schema::tidy(&mut tools);
        Self {
            client: Client::new(crate::paths::body_socket()),
            screen: Arc::default(),
            frames: Arc::default(),
            tools,
        }
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock()
    }

    /// Works on the display, off the async thread; one work at a time.
    async fn on_screen<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Screen) -> Result<T, ComputerError> + Send + 'static,
    ) -> Result<T, ComputerError> {
        let screen = Arc::clone(&self.screen);
        let worked = tokio::task::spawn_blocking(move || {
            let mut screen = screen.lock();
            if screen.as_ref().is_some_and(|screen| !screen.is_alive()) {
                *screen = None;
            }
            let open = match screen.take() {
                Some(open) => open,
                None => Screen::open()?,
            };
            work(screen.insert(open))
        });
        worked
            .await
            .unwrap_or_else(|error| Err(ComputerError::Internal(error.to_string())))
    }
}

/// Serves until stdin ends.
pub fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("body computer: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(async {
        let service = Computer::new().serve(stdio()).await?;
        service.waiting().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    // A blocked read of stdin, or a picture half taken, holds nothing up.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("body computer: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_tells_what_it_does_takes_and_changes() {
        let tools = Computer::new().tools.list_all();
        assert_eq!(tools.len(), 20);
        for tool in tools {
            assert!(tool.description.is_some_and(|text| text.len() > 40));
            assert!(tool.annotations.is_some(), "{}", tool.name);
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            let mut schema = (*tool.input_schema).clone();
            assert!(
                !crate::tool_schema::strip_formats(&mut schema),
                "{}",
                tool.name
            );
        }
    }
}
