import { Channel, invoke } from "@tauri-apps/api/core";

import type { StreamEvent } from "../wire";
import { toFailure, type Answer, type Command, type Host, type Request } from "./host";

/** The engine in the window's own process. */
export class TauriHost implements Host {
  async call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>> {
    try {
      return await invoke<Answer<C>>("rpc", { command, params: request });
    } catch (thrown) {
      throw toFailure(thrown);
    }
  }

  async subscribe(after: number, take: (event: StreamEvent) => void): Promise<void> {
    const channel = new Channel<StreamEvent>(take);
    await invoke("subscribe", { after, channel });
  }
}
