import { Channel, invoke } from "@tauri-apps/api/core";

import type { StreamEvent } from "../wire";
import { toFailure, type Answer, type Command, type Host, type Request } from "./host";
import { openSocket } from "./page";

/** The engine in the window's own process. */
export class TauriHost implements Host {
  async call<C extends Command>(command: C, request: Request<C>, machine: string | null = null): Promise<Answer<C>> {
    try {
      return await invoke<Answer<C>>("rpc", { machine, command, params: request });
    } catch (thrown) {
      throw toFailure(thrown);
    }
  }

  async subscribe(after: number, take: (event: StreamEvent) => void): Promise<void> {
    let last = after;
    let isTold = false;
    const channel = new Channel<StreamEvent>((event) => {
      last = event.seq;
      if (!isTold) {
        isTold = true;
        // Once for all that came together; until then no more is sent than a page can keep.
        setTimeout(() => {
          isTold = false;
          void invoke("heard", { seq: last });
        });
      }
      take(event);
    });
    await invoke("subscribe", { after, channel });
  }

  readonly connect = openSocket;

  readonly clipboard = {
    read: () => invoke<string>("clipboard_read"),
    write: (text: string) => invoke<void>("clipboard_write", { text }),
  };

  askPath(kind: "open" | "save", suggestion: string): Promise<string | null> {
    return invoke("ask_path", { save: kind === "save", suggestion });
  }

  async keepFile(name: string, data: Blob): Promise<boolean> {
    const bytes = new Uint8Array(await data.arrayBuffer());
    return (await invoke<string | null>("keep_file", bytes, { headers: { name } })) !== null;
  }

  async openLink(url: string): Promise<void> {
    try {
      await invoke<void>("open_link", { url });
    } catch (thrown) {
      throw toFailure(thrown);
    }
  }
}
