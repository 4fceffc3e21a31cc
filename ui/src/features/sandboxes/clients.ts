// The three lines with which E2B's clients use the sandboxes of this computer.

/** Where they are served if nothing else is known. */
export const USUAL_ADDRESS = "http://127.0.0.1:8000";

export function clientLines(address: string, needsToken: boolean): string[] {
  // Without tokens any key will do that the client takes for one.
  const key = needsToken ? "$(vivarium token create agents --scope exec)" : `e2b_${"0".repeat(40)}`;
  return [`export E2B_API_KEY=${key}`, `export E2B_API_URL=${address}`, `export E2B_SANDBOX_URL=${address}`];
}
