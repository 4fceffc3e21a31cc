import { mount } from "svelte";

import App from "./app/App.svelte";
import type { Host } from "./host";
import { Live } from "./shared/live/live.svelte";
import { Preferences } from "./shared/preferences.svelte";

export { openHost } from "./host";

/** Shows the app, and follows the engine behind this host. */
export async function start(host: Host): Promise<void> {
  const preferences = new Preferences(host);
  const live = new Live(host);
  live.listen((event) => preferences.hear(event));
  mount(App, { target: document.getElementById("app")!, props: { live, preferences } });
  document.getElementById("loading")?.remove();
  void preferences.load();
  await live.start();
}
