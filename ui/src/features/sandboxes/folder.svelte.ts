// A folder of a sandbox as the page shows it, and files in and out.

import { toFailure, type Host } from "../../host";
import { name as asName } from "../../shared/untrusted";
import type { Failure, FileEntry } from "../../wire";
import { decode, encode } from "../../shared/base64";
import { inside, ROOTS } from "./paths";

export type Listing = { kind: "loading" } | { kind: "known"; entries: FileEntry[]; left_out: number } | { kind: "failing"; failure: Failure };

/** Larger files go through the command line: here they are held as a whole. */
export const LARGEST_BYTES = 64 << 20;

export class Folder {
  path = $state(ROOTS[0]!);
  listing = $state.raw<Listing>({ kind: "loading" });
  /** What is being done, in words. */
  doing = $state<string | null>(null);
  trouble = $state.raw<Failure | null>(null);
  #host: Host;
  #sandbox_id: string;

  constructor(host: Host, sandbox_id: string) {
    this.#host = host;
    this.#sandbox_id = sandbox_id;
  }

  /** Goes to a folder. */
  async go(path: string): Promise<void> {
    this.path = path;
    this.listing = { kind: "loading" };
    await this.look();
  }

  async look(): Promise<void> {
    const { path } = this;
    try {
      const { entries, left_out } = await this.#host.call("sandbox_files", { sandbox_id: this.#sandbox_id, path });
      if (this.path === path) this.listing = { kind: "known", entries, left_out };
    } catch (thrown) {
      if (this.path === path) this.listing = { kind: "failing", failure: toFailure(thrown) };
    }
  }

  /** Puts files of this computer into the folder. One with the same name is replaced. */
  async upload(files: Iterable<File>): Promise<void> {
    const folder = this.path;
    for (const file of files) {
      const done = await this.#do(`Uploading ${asName(file.name)}`, async () => {
        if (file.size > LARGEST_BYTES) throw tooLarge(file.name);
        const base64 = encode(new Uint8Array(await file.arrayBuffer()));
        await this.#host.call("sandbox_file_write", { sandbox_id: this.#sandbox_id, path: inside(folder, file.name), base64 });
      });
      if (!done) break;
    }
    await this.look();
  }

  /** Keeps a file where the person wants it. */
  async download({ path, name }: FileEntry): Promise<void> {
    await this.#do(`Downloading ${asName(name)}`, async () => {
      const { base64 } = await this.#host.call("sandbox_file_read", { sandbox_id: this.#sandbox_id, path });
      await this.#host.keepFile(fileName(name), new Blob([decode(base64)], { type: "application/octet-stream" }));
    });
  }

  async remove({ path, name }: FileEntry): Promise<void> {
    await this.#do(`Deleting ${asName(name)}`, () => this.#host.call("sandbox_file_remove", { sandbox_id: this.#sandbox_id, path }));
    await this.look();
  }

  async #do(words: string, work: () => Promise<unknown>): Promise<boolean> {
    if (this.doing !== null) return false;
    this.trouble = null;
    this.doing = words;
    try {
      await work();
      return true;
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    } finally {
      this.doing = null;
    }
  }
}

/** A name that a file of this computer can have, whatever the sandbox calls it. */
export function fileName(name: string): string {
  const plain = asName(name, 150).replaceAll(/[/\\:*?"<>|]/g, "_").replace(/^\.+/, "_");
  return plain === "" ? "file" : plain;
}

function tooLarge(name: string): Failure {
  return {
    code: "invalid",
    message: `${asName(name)} is too large for this page`,
    cause: `the limit is ${LARGEST_BYTES >> 20} MiB`,
    next: { kind: "copy_sandbox_file" },
    detail: null,
  };
}
