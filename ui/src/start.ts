import { mount } from "svelte";

import App from "./app/App.svelte";
import SignedOut from "./app/SignedOut.svelte";
import type { Host } from "./host";
import { Machines } from "./shared/live/machines.svelte";
import { Preferences } from "./shared/preferences.svelte";

export { openHost } from "./host";

/** Shows the app, and follows the engine behind this host. */
export async function start(host: Host): Promise<void> {
  const target = document.getElementById("app")!;
  let app: object | null = null;
  let isSignedOut = false;
  host.onSignedOut?.(() => {
    isSignedOut = true;
    document.getElementById("loading")?.remove();
    // What was typed on the pages stays there.
    mount(SignedOut, { target, props: { isBeside: app !== null } });
  });
  const preferences = new Preferences(host);
  const machines = new Machines(host);
  machines.listen((event) => preferences.hear(event));
  await machines.list();
  if (isSignedOut) return;
  app = mount(App, { target, props: { machines, preferences } });
  document.getElementById("loading")?.remove();
  void preferences.load();
  await machines.start();
}
