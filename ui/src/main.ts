// What index.html starts. The build makes one file of it, which can load everything else again if
// that fails once: a container that starts or ends changes this computer's network, and a browser
// drops what it is loading then.

import "./shared/base.css";
import "./shared/ansi.css";

import { retry } from "./shared/retry";
import { loadStyles } from "./styles";

/** The last one is 24 s after the first. */
const TRIES = 10;

void begin();

async function begin(): Promise<void> {
  const message = document.getElementById("loading")!;
  try {
    const [{ openHost, start }] = await Promise.all([retry(() => import("./start"), TRIES), retry(loadStyles, TRIES)]);
    const host = await retry(openHost, TRIES);
    await start(host);
  } catch (thrown) {
    message.textContent = "Vivarium could not be loaded. Reload the page to try again.";
    throw thrown;
  }
}
