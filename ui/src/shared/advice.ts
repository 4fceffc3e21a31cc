// What a person can do after a failure, in the words of the window: they name its pages and buttons.

import type { Advice, EngineFound } from "../wire";

type Words = { [Kind in Advice["kind"]]: string | ((advice: Extract<Advice, { kind: Kind }>) => string) };

const ENGINES: { [Found in EngineFound]: string } = {
  docker_service: "Start Docker (sudo systemctl start docker), or choose another engine in Settings.",
  podman: "Enable Podman's socket (systemctl --user enable --now podman.socket), or choose another engine in Settings.",
  application: "Start your container engine, such as Docker Desktop, OrbStack or Colima, or choose another engine in Settings.",
  nothing: "Install and start Docker or Podman, or choose another engine in Settings.",
};

/** One entry for every kind: one that is missing here does not compile. */
const WORDS: Words = {
  start_engine: ({ found }) => ENGINES[found],
  check_engine: "Check that the container engine is running, then try again.",
  join_docker_group: "Add your user to the docker group (sudo usermod -aG docker $USER) and log in again, or use rootless Podman.",
  choose_engine: "Choose another container engine in Settings.",
  add_engine_certificates: "Add ca.pem, cert.pem and key.pem of this engine to its Docker context, or choose another engine in Settings.",
  check_ssh: "Check that ssh connects to that host without a prompt and that docker version works there.",
  check_engine_address: "Check the engine's address and port in Settings: 2375 is for plain HTTP, 2376 for TLS.",
  use_local_engine: "Choose an engine on this computer in Settings.",
  use_podman_or_root: "Use rootless Podman, which keeps user IDs, or an engine that runs as root.",
  free_disk: "Free some disk space and try again.",
  delete_generations: "Delete old generations on the Evolve page or free some disk space, then try again.",
  free_port: "Stop the program that uses it, or choose another port in the machine's settings file (0 for any free port).",
  free_port_or_recreate: "Stop the program that uses it, or recreate the machine: it gets another port, and everything installed outside its home is lost.",
  fix_build_step: "Check the last lines of the step, fix the problem and try again.",

  start_machine: "Start the machine on the Machine page.",
  resume_machine: "Restart the machine on the Machine page, or resume its container in the container engine.",
  check_machine: "Check on the Machine page that the machine is running.",
  read_machine_log: "Check the log on the Machine page.",
  check_services: "Check the services and the log on the Machine page, or restart the machine there.",
  wait_or_restart: "Wait a moment, or restart the machine on the Machine page.",
  restart_kernel: "Restart the kernel on the Notebook page, which loses its variables.",
  restart_for_secrets: "The secrets changed while the machine was running. Restart it on the Machine page.",
  repair_machine: "Check the log on the Machine page, then restart the machine or rebuild its image.",
  recreate_machine: "Stop the machine and start it again on the Machine page to recreate it, or undo the change.",
  rebuild_image: "Stop the machine, then press Rebuild on the Machine page.",
  build_image: "Press Start on the Machine page to build it.",
  rebuild_or_use_default: "Rebuild the image on the Machine page, or set the profile “default” in the machine's settings file.",
  choose_machine: "Choose a machine in the side bar.",
  choose_or_create_machine: "Choose another machine in the side bar, or create one there.",
  choose_name: "Choose another name.",
  choose_machine_name: "Use up to 60 letters, digits, “_”, “.” and “-”. The first character must be a letter or a digit.",
  choose_profile: "Choose Default or Locked.",
  mount_smaller_folder: "Mount a smaller folder there, or move Vivarium's data folder.",
  mount_apart: "Mount the outer folder read-only, or choose folders that don't contain each other.",
  fix_spec: ({ path }) => `Fix ${path}, or delete it to restore the defaults.`,
  fix_settings: "Fix the file, or change a setting on the Settings page. A copy of the file is kept.",
  check_permissions: "Check its owner and permissions.",
  create_folder: ({ path }) => `Fix the path, or create the folder ${path}.`,
  choose_template: "Start Vivarium with VIVARIUM_TEMPLATE set to the folder of a Vivarium checkout.",
  make_base: ({ script }) => `Run ${script} to build it without a registry, or set another base in the machine's settings file.`,
  remove_container: "Remove or rename that container, or choose another name for the machine.",
  delete_files: "Delete files that you don't need in the machine, then try again.",
  install_web_kit: "Install libwebkit2gtk-4.1-0 (the name of the Debian package).",

  wait_for_operation: "Wait until the other operation has finished, or cancel it.",
  wait_for_cells: "Wait until some cells have finished, or press Interrupt in the notebook.",
  run_cell_again: "Run the cell again.",
  fix_request: "Fix the request and try again.",
  check_name: "Check the name.",
  request_less: "Request less, or check the log on the Machine page.",

  wait_for_new_machine: "Try again when the new machine is ready.",
  wait_for_old_machine: "Wait until the old machine is restored.",
  wait_then_roll_back: "Wait until it has finished, then roll back on the Evolve page.",
  check_run: "It was already answered, or is over. Check the current run on the Evolve page.",
  cancel_there: "Cancel it there, with Ctrl-C in its terminal or the button in its window.",
  request_run: "Request another run on the Evolve page, or with evolve in the machine.",
  review_changes: "Review the changes again on the Evolve page, then approve them or evolve.",
  fix_repo: "Fix the repo and try again. The machine was not changed.",
  choose_generation: "Choose one of the generations on the Evolve page.",
  roll_back_first: "Roll back to another generation on the Evolve page first.",
  open_again: "Vivarium tries again when the machine is started or the app is opened.",
  evolve_again: "Evolve again to store the files in /repo.",
  ignore_files: "Remove files that aren't part of the machine from /repo, or list them in a .gitignore file there.",
  shorten_ignore_file: "Shorten that .gitignore file.",
  fix_ignore_file: "Fix that .gitignore file.",
  remove_from_repo: "Remove that file from /repo.",
  list_repo_refs: "In the machine, git -C /repo show-ref lists what its own repository has.",
  mount_engine_socket: "Mount that engine's own socket at /var/run/docker.sock.",
  mount_data_and_repo: "Mount a folder there. See docker/docker-compose.yml for an example.",
  add_evolve_program: "Check that the image contains /usr/local/bin/body-evolve (build argument DOCKER_CLI=1), then try again.",
  use_host_executor: "Set executor = \"host\" in the machine's settings file, or needs_yes = false.",

  serve_sandboxes: "Turn sandboxes on, on the Sandboxes page.",
  copy_sandbox_file: "Copy larger files with the command line (docs/sandboxes.md).",
  listen_on_loopback: "Serve with tokens, or listen on 127.0.0.1.",
  choose_port: ({ option }) => `Choose another port with ${option}.`,
  free_or_choose_port: ({ option }) => `Stop the program that uses it, or choose another port with ${option}.`,
  build_pages: "Build the pages (npm run build in ui), then build Vivarium again.",

  name_key_as_read: "Use the name that the program reads, such as OPENAI_API_KEY.",
  enter_key: "Enter the key. To delete a key, press Remove beside it.",
  unlock_keychain: "Unlock the keychain and try again, or start Vivarium with VIVARIUM_KEYCHAIN=off to keep keys in files.",
  rename_token: "Choose another name, or remove that token first.",
  choose_scopes: "Choose what the token may do.",
  remove_tokens: "Remove tokens that aren't used.",

  check_notebook_path: "Check the path. It must be a path on the computer that runs Vivarium.",
  use_whole_path: "Use a path that starts with / or ~/.",
  check_file: "Check its permissions and that it is a file.",
  restore_notebook: "The file was not changed. An intact copy may be in a backup or version control.",
  fix_notebook: "The file was not changed. Fix it in an editor, or open it in Jupyter and save it again.",
  save_elsewhere_or_overwrite: "Save under another name, reload it, or overwrite it.",
  save_elsewhere: "The file on disk was not changed. Save under another name or in another folder.",

  read_server_log: "Check the server's Log on the MCP page.",
  open_session: "Connect again.",

  get_sandbox_image: ({ image }) => `Check the image's name, or build or pull it: docker pull ${image}.`,
  remove_sandboxes: "Remove sandboxes that nobody uses, or raise the limit in the table [sandboxes] of settings.toml.",
  resume_sandbox: "Resume the sandbox first.",
  create_sandbox: "Create another sandbox.",

  get_agent_image: ({ tool }) => `Build or fetch the image of ${tool}, under Agents, Images.`,
  approve_agent_image: ({ tool }) => `Look at the digest of the image of ${tool}, and approve it if you trust who made it.`,
  allow_agent_folder: ({ path }) => `Allow agents to be given ${path}, or choose another folder.`,
  store_key: ({ name }) => `Store the key ${name} under Settings, Keys.`,
  open_in_browser: ({ url }) => `Open it in a browser: ${url}`,
  text: ({ text }) => text,
};

/** The words for an advice. A machine of a later version may send a kind that has none here. */
export function adviceWords(advice: Advice): string | null {
  const words = Object.hasOwn(WORDS, advice.kind) ? (WORDS[advice.kind] as string | ((advice: Advice) => string)) : null;
  return typeof words === "function" ? words(advice) : words;
}

/** The window's own words as advice. */
export function inWords(text: string): Advice {
  return { kind: "text", text };
}
