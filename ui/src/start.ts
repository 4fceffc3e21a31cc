import { mount } from "svelte";

import App from "./app/App.svelte";
import type { Host } from "./host";
import { Machines } from "./shared/live/machines.svelte";
import { Preferences } from "./shared/preferences.svelte";

export { openHost } from "./host";

/** Shows the app, and follows the engine behind this host. */
export async function start(host: Host): Promise<void> {
  const preferences = new Preferences(host);
  const machines = new Machines(host);
  machines.listen((event) => preferences.hear(event));
  await machines.list();
  mount(App, { target: document.getElementById("app")!, props: { machines, preferences } });
  document.getElementById("loading")?.remove();
  void preferences.load();
  await machines.start();
}
