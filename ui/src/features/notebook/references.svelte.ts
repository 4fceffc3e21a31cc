// Outputs that lie in the machine: fetched when they are shown, or before the notebook is saved.

import { SvelteMap } from "svelte/reactivity";

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure } from "../../wire";
import { isReference, taken, type Output, type ReferenceOutput } from "../../shared/outputs/nbformat";
import { putFetched } from "./outputs";

/** So many are fetched at a time. */
const AT_ONCE = 4;
/** So often what came meanwhile is fetched too: a cell that runs may put out more without an end. */
const ROUNDS = 3;

/** A cell: other outputs may come in the place of those it has now. */
interface Outputs {
  outputs: Output[];
}

export class References {
  #live: Live;
  #fetching = new Map<string, Promise<Output | null>>();
  /** Why an output could not be had, by its reference. */
  #failures = new SvelteMap<string, Failure>();

  constructor(live: Live) {
    this.#live = live;
  }

  /** Why it could not be had when it was asked for last. */
  failure(reference: ReferenceOutput): Failure | undefined {
    return this.#failures.get(referenceKey(reference));
  }

  /** Brings an output to its place among a cell's outputs; true once it is there. Asked for twice, it is fetched once. */
  async fetch(cell: Outputs, reference: ReferenceOutput): Promise<boolean> {
    const fetched = await this.#fetched(reference);
    return fetched !== null && putFetched(cell.outputs, reference, fetched);
  }

  /** Brings all of them, also those that could not be had before. What is left can't be had, or came while the last were fetched. */
  async fetchAll(cells: Outputs[]): Promise<void> {
    const tried = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const all = cells.flatMap((cell) => cell.outputs.filter(isReference).map((reference) => ({ cell, reference })));
      const left = all.filter(({ reference }) => !tried.has(referenceKey(reference)));
      if (left.length === 0) return;
      for (const { reference } of left) tried.add(referenceKey(reference));
      const work = async () => {
        for (let next = left.shift(); next; next = left.shift()) await this.fetch(next.cell, next.reference);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    }
  }

  #fetched(reference: ReferenceOutput): Promise<Output | null> {
    const of = referenceKey(reference);
    const fetching = this.#fetching.get(of) ?? this.#fetch(reference).finally(() => this.#fetching.delete(of));
    this.#fetching.set(of, fetching);
    return fetching;
  }

  async #fetch(reference: ReferenceOutput): Promise<Output | null> {
    const { execution_id, seq } = reference;
    try {
      const { output } = await this.#live.call("kernel_output", { execution_id, seq });
      this.#failures.delete(referenceKey(reference));
      return taken(output);
    } catch (thrown) {
      this.#failures.set(referenceKey(reference), toFailure(thrown));
      return null;
    }
  }
}

/** The same for references to the same output. */
export const referenceKey = ({ execution_id, seq }: ReferenceOutput) => `${seq} ${execution_id}`;
