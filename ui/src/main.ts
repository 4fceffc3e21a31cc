import "./shared/base.css";
import "./shared/ansi.css";

import { mount } from "svelte";

import App from "./app/App.svelte";
import { openHost } from "./host";
import { Live } from "./shared/live/live.svelte";
import { Preferences } from "./shared/preferences.svelte";

const host = await openHost();
const preferences = new Preferences(host);
const live = new Live(host);
live.listen((event) => preferences.hear(event));
mount(App, { target: document.getElementById("app")!, props: { live, preferences } });
void preferences.load();
await live.start();
