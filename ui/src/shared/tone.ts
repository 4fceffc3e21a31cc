/** What a colour may say. */
export type Tone = "good" | "busy" | "bad" | "idle";
