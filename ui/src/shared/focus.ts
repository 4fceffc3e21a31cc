// Where the keyboard goes when what had it is used up: a button that started work answers to no
// second Enter or Space, and nobody looks for the keyboard on a dialog that is gone.

/** What takes the keyboard of the buttons in it: the row or section that shows their work (`data-place`), or a page. */
const PLACE = "[data-place], [data-home]";

/** The place around an element. */
export function placeOf(element: Element | null): HTMLElement | null {
  return element?.closest<HTMLElement>(PLACE) ?? null;
}

/** The keyboard leaves a button whose work has begun. */
export function leave(button: Element | null): void {
  focusPlace(placeOf(button));
}

/** Gives the keyboard to a place, or to the page that shows if the place is gone. */
export function focusPlace(place: HTMLElement | null): void {
  if (place?.isConnected && place.checkVisibility?.() !== false) place.focus({ preventScroll: true });
  else focusPage();
}

/** Gives the keyboard to the page that shows: what had it may be on another one, or gone. */
export function focusPage(): void {
  const page = document.querySelector<HTMLElement>("main > .held:not([hidden])");
  (page?.querySelector<HTMLElement>("[data-home]") ?? page)?.focus({ preventScroll: true });
}
