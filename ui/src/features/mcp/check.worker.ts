// Checks one value after another against its schema, in a thread of its own.

import type { Json } from "../../shared/untrusted";
import { complaints } from "./complaints";

interface Scope {
  onmessage: ((event: MessageEvent<{ value: Json; schema: unknown }>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = self as unknown as Scope;
scope.onmessage = ({ data: { value, schema } }) => scope.postMessage(complaints(value, schema));
