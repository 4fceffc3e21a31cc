// The parts of noVNC that are used here: https://github.com/novnc/noVNC/blob/v1.7.0/docs/API.md
declare module "@novnc/novnc" {
  export interface RfbEvents {
    connect: CustomEvent<Record<string, never>>;
    disconnect: CustomEvent<{ clean: boolean }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
    clipboard: CustomEvent<{ text: string }>;
    /** Of `rfb.ts`. */
    clipboardtoolarge: CustomEvent;
    desktopname: CustomEvent<{ name: string }>;
  }

  /** What has come and was not read yet. */
  interface ReceiveQueue {
    /** Whether there are fewer bytes than that; goes back by `goback` then. */
    rQwait(what: string, bytes: number, goback?: number): boolean;
    rQlen(): number;
    rQpeekBytes(bytes: number): Uint8Array<ArrayBuffer>;
    rQshiftBytes(bytes: number): Uint8Array<ArrayBuffer>;
    rQskipBytes(bytes: number): void;
  }

  export default class RFB {
    constructor(target: HTMLElement, channel: string | WebSocket, options?: { credentials?: { password?: string }; shared?: boolean });
    viewOnly: boolean;
    scaleViewport: boolean;
    clipViewport: boolean;
    resizeSession: boolean;
    focusOnClick: boolean;
    background: string;
    qualityLevel: number;
    compressionLevel: number;
    addEventListener<K extends keyof RfbEvents>(name: K, listener: (event: RfbEvents[K]) => void): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    clipboardPasteFrom(text: string): void;
    toBlob(callback: (blob: Blob | null) => void, type?: string): void;
    dispatchEvent(event: Event): boolean;

    // Not of its API, and of version 1.7.0: what `rfb.ts` limits and releases. ui/browser/desktop.test.ts fails if they change.
    _sock: ReceiveQueue;
    /** Its list of held keys, which it releases and empties. */
    _keyboard: { _allKeysUp(): void };
    _clipboardText: string | null;
    _fail(details: string): false;
    _handleMessage(): void;
    _handleServerCutText(): boolean;
    _resize(width: number, height: number): void;
  }
}
