// What the UI sees of the process that it runs in. This folder alone knows whether that is
// Tauri, a server or a fake.

import type { AppCommands, Failure, MachineCommands, StreamEvent } from "../wire";

type Commands = AppCommands & MachineCommands;
export type Command = keyof Commands;
export type Request<C extends Command> = Commands[C]["request"];
export type Answer<C extends Command> = Commands[C]["answer"];

/** A connection of bytes and texts to the app's own bridge. */
export interface Socket {
  send(message: Uint8Array<ArrayBuffer> | string): void;
  close(): void;
}

/** What is heard of one. Nothing is once it was closed from here. */
export interface SocketHeard {
  opened(): void;
  bytes(bytes: Uint8Array): void;
  text(text: string): void;
  /** It closed, or could not be opened. */
  closed(): void;
}

export interface Host {
  /**
   * Carries out one command, for the named machine if it is about one (`null`: the first machine).
   * Rejects with a `Failure`, never with anything else.
   */
  call<C extends Command>(command: C, request: Request<C>, machine?: string | null): Promise<Answer<C>>;
  /**
   * Hears the events with `seq > after`: first those that the app still keeps, then live ones.
   * A second subscription ends the first.
   */
  subscribe(after: number, take: (event: StreamEvent) => void): Promise<void>;
  /**
   * Where a page has to be let in: hears when it isn't, or is no longer. Known after the first call;
   * told once, also if it is heard later.
   */
  onSignedOut?(hear: () => void): void;
  /** Connects to an address that the app gave out, such as a terminal's. */
  connect(url: string, heard: SocketHeard): Socket;
  readonly clipboard: {
    read(): Promise<string>;
    write(text: string): Promise<void>;
  };
  /**
   * Asks for a notebook with the system's dialog: one that is there, or where to save. `null` where
   * the person thought better of it. Not there where the page can't see this computer's files.
   */
  askPath?(kind: "open" | "save", suggestion: string): Promise<string | null>;
  /** Keeps bytes as a file where the person wants it; false where they don't. */
  keepFile(name: string, data: Blob): Promise<boolean>;
  /** Opens an address (http, https or mailto) beside the app, as the person's system does. */
  openLink(url: string): Promise<void>;
}

/** Whatever was thrown, as the shape that views show. */
export function toFailure(thrown: unknown, message = "Unexpected response from Vivarium"): Failure {
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "message" in thrown) {
    return thrown as Failure;
  }
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "internal", message, cause, next: null, detail: null };
}
