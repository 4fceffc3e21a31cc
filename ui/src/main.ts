import "./shared/base.css";
import "./shared/ansi.css";

import { mount } from "svelte";

import App from "./app/App.svelte";
import { openHost } from "./host";
import { Live } from "./shared/live/live.svelte";
import { Theme } from "./shared/theme.svelte";

const theme = new Theme();
const live = new Live(await openHost());
mount(App, { target: document.getElementById("app")!, props: { live, theme } });
await live.start();
