import type { Host } from "./host";

export { toFailure, type Answer, type Command, type Host, type Request, type Socket, type SocketHeard } from "./host";

/** The host of this page: Tauri's window, `vivarium serve`, or, on the development server alone, a fake. */
export async function openHost(): Promise<Host> {
  if ("__TAURI_INTERNALS__" in window) {
    const { TauriHost } = await import("./tauri");
    return new TauriHost();
  }
  if (import.meta.env.DEV) {
    const { FakeHost } = await import("./fake");
    return new FakeHost(new URLSearchParams(location.search).get("scene") ?? "running");
  }
  const { ServedHost } = await import("./served");
  return new ServedHost();
}
