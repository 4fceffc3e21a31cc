import { createSubscriber } from "svelte/reactivity";

/** The time in Unix milliseconds, told anew while somebody reads it and can see it. */
export class Clock {
  #subscribe: () => void;

  constructor(every_ms: number) {
    this.#subscribe = createSubscriber((update) => {
      const timer = setInterval(() => document.hidden || update(), every_ms);
      return () => clearInterval(timer);
    });
  }

  get now(): number {
    this.#subscribe();
    return Date.now();
  }
}

/** For stopwatches. */
export const quick = new Clock(100);
/** For `5 min ago`. */
export const slow = new Clock(15_000);
