//! Which scope each command needs of a token when it is called over HTTP: the one table of it, from
//! which `docs/tokens.md` is checked.

use crate::tokens::Scope;

/// Every command with its scope.
pub const COMMAND_SCOPES: &[(&str, Scope)] = &[
    ("app_info", Scope::Read),
    ("engine_info", Scope::Read),
    ("engine_list", Scope::Read),
    ("engine_test", Scope::Admin),
    ("settings_get", Scope::Read),
    ("settings_set", Scope::Admin),
    ("machine_list", Scope::Read),
    ("machine_create", Scope::Admin),
    ("machine_rename", Scope::Admin),
    ("machine_delete", Scope::Admin),
    ("secret_list", Scope::Admin),
    ("secret_set", Scope::Admin),
    ("secret_hand", Scope::Admin),
    ("secret_remove", Scope::Admin),
    ("token_list", Scope::Admin),
    ("token_create", Scope::Admin),
    ("token_remove", Scope::Admin),
    ("run_cancel", Scope::Admin),
    // Files of this computer.
    ("notebook_open", Scope::Admin),
    ("notebook_stamp", Scope::Admin),
    ("notebook_picture", Scope::Admin),
    ("notebook_save", Scope::Admin),
    // Sandboxes of everybody: tokens have routes for those that are their own.
    ("sandbox_serve", Scope::Admin),
    ("sandbox_list", Scope::Admin),
    ("sandbox_pool", Scope::Admin),
    ("sandbox_image", Scope::Admin),
    ("sandbox_create", Scope::Admin),
    ("sandbox_pause", Scope::Admin),
    ("sandbox_resume", Scope::Admin),
    ("sandbox_timeout", Scope::Admin),
    ("sandbox_destroy", Scope::Admin),
    ("sandbox_exec", Scope::Admin),
    ("sandbox_execs", Scope::Admin),
    ("sandbox_output", Scope::Admin),
    ("sandbox_input", Scope::Admin),
    ("sandbox_resize", Scope::Admin),
    ("sandbox_code", Scope::Admin),
    ("sandbox_files", Scope::Admin),
    ("sandbox_file_read", Scope::Admin),
    ("sandbox_file_write", Scope::Admin),
    ("sandbox_file_remove", Scope::Admin),
    // Agents run programs with the person's keys and folders.
    ("agent_list", Scope::Admin),
    ("agent_tools", Scope::Admin),
    ("agent_image_build", Scope::Admin),
    ("agent_image_log", Scope::Admin),
    ("agent_image_approve", Scope::Admin),
    ("agent_folders", Scope::Admin),
    ("agent_folder_add", Scope::Admin),
    ("agent_folder_remove", Scope::Admin),
    ("agent_start", Scope::Admin),
    ("agent_screen", Scope::Admin),
    ("agent_terminal_open", Scope::Admin),
    ("agent_diff", Scope::Admin),
    ("agent_merge", Scope::Admin),
    ("agent_merge_undo", Scope::Admin),
    ("agent_patch", Scope::Admin),
    ("agent_discard", Scope::Admin),
    ("agent_send", Scope::Admin),
    ("agent_keys", Scope::Admin),
    ("agent_answer", Scope::Admin),
    ("agent_stop", Scope::Admin),
    ("agent_pause", Scope::Admin),
    ("agent_resume", Scope::Admin),
    ("agent_remove", Scope::Admin),
    ("agent_clean", Scope::Admin),
    ("agent_logs", Scope::Admin),
    ("machine_status", Scope::Read),
    ("machine_build", Scope::Admin),
    ("machine_up", Scope::Admin),
    ("machine_down", Scope::Admin),
    ("machine_restart", Scope::Admin),
    ("machine_remove", Scope::Admin),
    ("machine_logs", Scope::Read),
    ("machine_stats", Scope::Read),
    ("machine_disk", Scope::Read),
    ("machine_credential", Scope::Admin),
    ("job_list", Scope::Read),
    ("job_log", Scope::Read),
    // Also of builds and evolves.
    ("job_cancel", Scope::Admin),
    ("desktop_open", Scope::Exec),
    ("takeover_get", Scope::Read),
    ("takeover_set", Scope::Exec),
    ("kernel_exec", Scope::Exec),
    ("kernel_interrupt", Scope::Exec),
    ("kernel_restart", Scope::Exec),
    ("kernel_input", Scope::Exec),
    ("kernel_complete", Scope::Exec),
    ("kernel_inspect", Scope::Exec),
    ("kernel_variables", Scope::Read),
    ("kernel_cells", Scope::Read),
    ("kernel_follow", Scope::Exec),
    ("kernel_output", Scope::Read),
    ("snapshot_list", Scope::Read),
    ("snapshot_store", Scope::Exec),
    ("snapshot_reload", Scope::Exec),
    ("snapshot_show", Scope::Read),
    ("snapshot_remove", Scope::Exec),
    ("service_list", Scope::Read),
    ("service_restart", Scope::Admin),
    ("service_log", Scope::Read),
    ("mcp_status", Scope::Read),
    ("mcp_servers", Scope::Read),
    ("mcp_server_order", Scope::Admin),
    ("mcp_server_save", Scope::Admin),
    ("mcp_server_remove", Scope::Admin),
    ("mcp_traces", Scope::Read),
    ("mcp_access", Scope::Read),
    ("mcp_configuration", Scope::Admin),
    ("mcp_open", Scope::Exec),
    ("mcp_request", Scope::Exec),
    ("mcp_tell", Scope::Exec),
    ("mcp_close", Scope::Exec),
    ("sandbox_access_get", Scope::Read),
    ("sandbox_access_set", Scope::Admin),
    ("evolve_preview", Scope::Read),
    ("evolve_start", Scope::Admin),
    ("evolve_status", Scope::Read),
    ("evolve_runs", Scope::Read),
    ("evolve_log", Scope::Read),
    ("evolve_answer", Scope::Admin),
    ("evolve_cancel", Scope::Admin),
    ("generation_list", Scope::Read),
    ("generation_diff", Scope::Read),
    ("generation_rollback", Scope::Admin),
    ("generation_keep", Scope::Admin),
    ("generation_name", Scope::Admin),
    ("generation_remove", Scope::Admin),
];

/// The scope that a command needs. One that isn't in the table needs `admin`.
#[must_use]
pub fn command_scope(command: &str) -> &'static Scope {
    let line = COMMAND_SCOPES.iter().find(|(name, _)| *name == command);
    line.map_or(&Scope::Admin, |(_, scope)| scope)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    macro_rules! names {
        ($($name:ident: $request:ident => $answer:ident, $doc:literal;)*) => {
            vec![$(stringify!($name)),*]
        };
    }

    #[test]
    fn every_command_has_a_line_and_every_line_a_command() {
        let mut commands = crate::for_each_app_command!(names);
        commands.extend(crate::for_each_machine_command!(names));
        let lines: Vec<_> = COMMAND_SCOPES.iter().map(|(name, _)| *name).collect();
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(lines), sorted(commands));
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tokens.md");
        let mut text = std::fs::read_to_string(&path).expect("docs/tokens.md");
        let of = |scope: &Scope| {
            let named = COMMAND_SCOPES.iter().filter(|(_, needed)| needed == scope);
            let names: Vec<_> = named.map(|(name, _)| format!("`{name}`")).collect();
            format!("| `{scope}` | {} |\n", names.join(", "))
        };
        let lines: String = [Scope::Read, Scope::Exec, Scope::Admin]
            .iter()
            .map(of)
            .collect();
        let table = format!("| scope | commands |\n|---|---|\n{lines}");
        let (begin, end) = ("<!-- commands -->\n", "<!-- end commands -->");
        let from = text.find(begin).expect(begin) + begin.len();
        let to = text.find(end).expect(end);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            text.replace_range(from..to, &table);
            std::fs::write(&path, &text).expect("docs/tokens.md can be written");
        } else {
            assert!(
                text[from..to] == table,
                "docs/tokens.md is older than command_scopes.rs: run UPDATE_DOCS=1 cargo test -p wire documented"
            );
        }
    }
}
