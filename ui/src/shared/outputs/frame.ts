// What the page asks of a document that an output wrote. Elements in it may have names such as
// `body` or `addEventListener`, and then a document or a form answers with the element: so nothing
// is read from them by name, only with this page's own getters and methods.

/** A getter of a prototype, called with whatever is asked. */
function getter<T, R>(prototype: () => T, word: keyof T): (of: T) => R {
  return (of) => Object.getOwnPropertyDescriptor(prototype(), word)?.get?.call(of) as R;
}

const documentElement = getter<Document, HTMLElement>(() => Document.prototype, "documentElement");
const body = getter<Document, HTMLElement | null>(() => Document.prototype, "body");
const activeElement = getter<Document, Element | null>(() => Document.prototype, "activeElement");

export const frameRoot = (inside: Document): HTMLElement => documentElement(inside);

export function bodyHeight(inside: Document): number {
  const found = body(inside);
  return found ? Math.ceil(Element.prototype.getBoundingClientRect.call(found).height) : 0;
}

export function listen(inside: Document, kind: string, listener: (event: Event) => void): void {
  EventTarget.prototype.addEventListener.call(inside, kind, listener);
}

export function hasNoSelection(inside: Document): boolean {
  return Document.prototype.getSelection.call(inside)?.isCollapsed !== false;
}

/**
 * Whether what has the keyboard in there does something with keys by itself: a field, a button, a
 * link, text that can be edited. Only a document in which nothing has it gives them to the page.
 */
export function takesKeys(inside: Document): boolean {
  const active = activeElement(inside);
  if (!active) return false;
  if (active !== body(inside) && active !== documentElement(inside)) return true;
  // An output may make the document itself one that is edited.
  return Element.prototype.closest.call(active, "[contenteditable]:not([contenteditable='false' i])") !== null;
}
