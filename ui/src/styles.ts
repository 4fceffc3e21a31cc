/** Resolves once the style sheet of index.html applies. If it failed, it is loaded again. */
export async function loadStyles(): Promise<void> {
  if (applies()) return;
  const links = document.querySelectorAll<HTMLLinkElement>('link[rel="stylesheet"]');
  await Promise.all([...links].map(replace));
}

/** Whether its tokens are there. The link's `sheet` doesn't tell: WebKit has none after a failure, Chromium one that may not be read. */
function applies(): boolean {
  return getComputedStyle(document.documentElement).getPropertyValue("--ground") !== "";
}

/** A link loads once: another try needs another link. */
function replace(link: HTMLLinkElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const other = link.cloneNode() as HTMLLinkElement;
    other.addEventListener("load", () => resolve());
    other.addEventListener("error", () => reject(new Error(`${link.href} could not be loaded`)));
    link.replaceWith(other);
  });
}
