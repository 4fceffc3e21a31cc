// What a page in a browser can do by itself.

import type { Socket, SocketHeard } from "./host";

/** The browser's clipboard: open to pages on loopback, with the person's leave. */
export const pageClipboard = {
  read: () => navigator.clipboard.readText(),
  write: (text: string) => navigator.clipboard.writeText(text),
};

/** Hands a file to the browser's downloads. */
export async function download(name: string, data: Blob): Promise<boolean> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
  return true;
}

/** Opens an address in a tab of its own, which knows nothing of this one. */
export async function openTab(url: string): Promise<void> {
  window.open(url, "_blank", "noopener,noreferrer");
}

/** Connects to a WebSocket, which a page's policy allows for the app's bridge alone. */
export function openSocket(url: string, heard: SocketHeard): Socket {
  const socket = new WebSocket(url);
  let isOver = false;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => isOver || heard.opened();
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
    if (isOver) return;
    if (typeof data === "string") heard.text(data);
    else heard.bytes(new Uint8Array(data));
  };
  socket.onclose = () => {
    if (isOver) return;
    isOver = true;
    heard.closed();
  };
  return {
    send: (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
    },
    close: () => {
      isOver = true;
      socket.close();
    },
  };
}
