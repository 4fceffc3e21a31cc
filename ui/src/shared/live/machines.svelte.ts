// The machines that there are, which of them is shown, and the one stream of events, of which each
// machine's view gets its own.

import { createContext } from "svelte";

import type { Host, Request } from "../../host";
import type { Event, MachineList, MachineState } from "../../wire";
import { Live } from "./live.svelte";

/** The machine that was shown last. */
const SHOWN = "vivarium.machine";
/** Until the list of machines is asked for again, if it can't be had. */
const RETRY_MS = 2000;

export class Machines {
  readonly host: Host;
  /** Their names; the first is the one that is meant if none is named. */
  names = $state<string[]>([]);
  /** The view of the machine that the pages show. */
  shown = $state.raw<Live>();
  /** States that were heard of, by name. */
  states = $state<Record<string, MachineState>>({});
  #views = new Map<string, Live>();
  #listeners = new Set<(event: Event, machine: string | null) => void>();
  #last_seq = 0;

  constructor(host: Host) {
    this.host = host;
  }

  /** Begins to listen, and to look at the machine that is shown. */
  async start(): Promise<void> {
    await this.host.subscribe(this.#last_seq, ({ seq, at_ms, machine, event }) => {
      this.#last_seq = seq;
      if (machine !== null && event.kind === "machine") this.states[machine] = event.status.state;
      if (event.kind === "machines") this.#know(event.machines);
      for (const listener of this.#listeners) listener(event, machine);
      for (const [name, view] of this.#views) if (machine === null || machine === name) view.take(event, at_ms);
    });
    await this.shown?.look();
  }

  /** Hears every event with the machine that it is about, if it is about one; call what is returned to stop. */
  listen(listener: (event: Event, machine: string | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Shows a machine. What the others do goes on, and is heard. */
  show(name: string): void {
    if (this.shown?.name === name) return;
    this.shown?.rest();
    this.shown = this.#view(name);
    localStorage.setItem(SHOWN, name);
    void this.shown.look();
  }

  /** Adds a machine, and shows it. */
  async create(request: Request<"machine_create">): Promise<void> {
    this.#know(await this.host.call("machine_create", request));
    this.show(request.name);
  }

  async rename(name: string, new_name: string): Promise<void> {
    this.#know(await this.host.call("machine_rename", { name, new_name }));
    this.show(new_name);
  }

  async delete(name: string, home: boolean): Promise<void> {
    this.#know(await this.host.call("machine_delete", { name, home }));
  }

  /** Asks which machines there are, until that is known. */
  async list(): Promise<void> {
    try {
      this.#know(await this.host.call("machine_list", {}));
    } catch {
      // The first machine's own status says why.
      if (!this.shown) this.shown = new Live(this.host, null, "");
      setTimeout(() => void this.list(), RETRY_MS);
    }
  }

  #know({ machines }: MachineList): void {
    this.names = machines.map(({ name }) => name);
    const [first] = this.names;
    const last = this.shown?.name ?? localStorage.getItem(SHOWN);
    for (const name of this.#views.keys()) if (!this.names.includes(name)) this.#views.delete(name);
    if (first !== undefined) this.show(last !== null && this.names.includes(last) ? last : first);
    for (const name of this.names) if (name !== this.shown?.name) void this.#lookAt(name);
  }

  #view(name: string): Live {
    let view = this.#views.get(name);
    if (!view) {
      view = new Live(this.host, name, name === this.names[0] ? "" : `@${name}`);
      this.#views.set(name, view);
    }
    return view;
  }

  /** The state of a machine that is not shown. */
  async #lookAt(name: string): Promise<void> {
    try {
      this.states[name] = (await this.host.call("machine_status", {}, name)).state;
    } catch {
      // It says why when it is shown.
    }
  }
}

export const [useMachines, provideMachines] = createContext<Machines>();
