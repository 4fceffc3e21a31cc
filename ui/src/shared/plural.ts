/** `1 file`, `3 files`, `1,200 files`. */
export const count = (number: number, one: string) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
