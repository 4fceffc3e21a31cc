// Keys and access tokens of the fake host.

import type { SecretEntry, SecretList, TokenEntry } from "../wire";
import type { Command, Request } from "./host";

export class FakeAccess {
  #secrets: SecretEntry[] = [
    { name: "ANTHROPIC_API_KEY", machines: [], place: "file" },
    { name: "OPENAI_API_KEY", machines: ["os-host"], place: "file" },
  ];
  #tokens: TokenEntry[] = [
    { name: "ci", scopes: ["exec"], machines: null, created_at_ms: Date.now() - 86_400_000 * 9 },
    { name: "cursor", scopes: ["mcp:*"], machines: ["os-host"], created_at_ms: Date.now() - 3_600_000 },
  ];

  #list(): SecretList {
    return { secrets: this.#secrets, place: "file", without_keychain: "no Secret Service", folder: "/home/ada/.local/share/vivarium/secrets/values" };
  }

  readonly answers: { [K in Command]?: (request: Request<K>) => unknown } = {
    secret_list: () => this.#list(),
    secret_set: ({ name, machines }) => {
      if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw { code: "invalid", message: `"${name}" isn't a valid name for a key`, cause: "a name has capital letters, digits and _", next: null, detail: null };
      const had = this.#secrets.find((secret) => secret.name === name)?.machines ?? [];
      this.#secrets = [...this.#secrets.filter((secret) => secret.name !== name), { name, machines: machines ?? had, place: "file" as const }];
      return this.#list();
    },
    secret_hand: ({ name, machines }) => {
      this.#secrets = this.#secrets.map((secret) => (secret.name === name ? { ...secret, machines } : secret));
      return this.#list();
    },
    secret_remove: ({ name }) => {
      this.#secrets = this.#secrets.filter((secret) => secret.name !== name);
      return this.#list();
    },
    token_list: () => ({ tokens: this.#tokens }),
    token_create: ({ name, scopes, machines, numbered }) => {
      const taken = (wanted: string) => this.#tokens.some((token) => token.name === wanted);
      if (taken(name) && !numbered) throw { code: "invalid", message: `There is a token named ${name} already`, cause: null, next: { kind: "rename_token" }, detail: null };
      let free = name;
      for (let at = 2; taken(free); at++) free = `${name}-${at}`;
      const entry = { name: free, scopes, machines, created_at_ms: Date.now() };
      this.#tokens = [...this.#tokens, entry];
      return { token: `e2b_${"0123456789".repeat(4)}`, entry };
    },
    token_remove: ({ name }) => {
      this.#tokens = this.#tokens.filter((token) => token.name !== name);
      return { tokens: this.#tokens };
    },
    machine_credential: ({ credential }) => ({ text: credential === "token" ? "fake-token" : "fakepass" }),
  };
}
