const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4000;

/** Calls `load` until it succeeds, and waits longer each time. After `tries` failures it throws the last one. */
export async function retry<T>(load: () => Promise<T>, tries = Infinity): Promise<T> {
  for (let wait_ms = FIRST_RETRY_MS; ; wait_ms = Math.min(wait_ms * 2, LAST_RETRY_MS)) {
    try {
      return await load();
    } catch (thrown) {
      if (--tries <= 0) throw thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}
