// What a page in a browser can do by itself.

/** The browser's clipboard: open to pages on loopback, with the person's leave. */
export const pageClipboard = {
  read: () => navigator.clipboard.readText(),
  write: (text: string) => navigator.clipboard.writeText(text),
};

/** Hands a file to the browser's downloads. */
export async function download(name: string, data: Blob): Promise<boolean> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
  return true;
}

/** Opens an address in a tab of its own, which knows nothing of this one. */
export async function openTab(url: string): Promise<void> {
  window.open(url, "_blank", "noopener,noreferrer");
}
