// The keys that are stored. Their values go to the app, and none comes back.

import type { Host } from "../../host";
import type { SecretEntry, SecretList } from "../../wire";
import { Stored } from "./stored.svelte";

export class Keys extends Stored<SecretList> {
  #host: Host;

  constructor(host: Host) {
    super();
    this.#host = host;
  }

  load(): Promise<void> {
    return this.read(() => this.#host.call("secret_list", {}));
  }

  set(name: string, value: string, machines: string[]): Promise<boolean> {
    return this.change(() => this.#host.call("secret_set", { name, value, machines }));
  }

  /** Hands a key to a machine, or takes it back. */
  hand({ name, machines }: SecretEntry, machine: string, has: boolean): Promise<boolean> {
    const others = machines.filter((one) => one !== machine);
    return this.change(() => this.#host.call("secret_hand", { name, machines: has ? [...others, machine] : others }));
  }

  remove(name: string): Promise<boolean> {
    return this.change(() => this.#host.call("secret_remove", { name }));
  }
}

/** Where keys are stored, in a sentence. */
export function whereStored({ place, without_keychain, folder }: SecretList): string {
  if (place === "keychain") return "Keys are stored in this computer's keychain. Machines that you choose get a copy.";
  const reason = without_keychain === null ? "" : ` No keychain is used: ${without_keychain}.`;
  return `Keys are stored in files in ${folder}, which only you can read.${reason} Machines that you choose get a copy.`;
}
