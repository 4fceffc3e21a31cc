// A server's entry as people type it: a command line, an environment and headers in lines.

/** Words of a command line; quotes and backslashes as a shell takes them, nothing else. */
export function splitCommand(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] as string;
    if (quote !== "") {
      if (sign === quote) quote = "";
      else if (sign === "\\" && quote === '"' && at + 1 < text.length) word += text[++at] as string;
      else word += sign;
    } else if (sign === '"' || sign === "'") {
      quote = sign;
      word ??= "";
    } else if (sign === "\\" && at + 1 < text.length) word = (word ?? "") + (text[++at] as string);
    else if (/\s/.test(sign)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + sign;
  }
  if (word !== null) words.push(word);
  return words;
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** The command line that these words come from, as it is typed here: nothing but quotes and backslashes means anything. */
export function commandLine(command: string, args: string[]): string {
  const plain = (word: string) => (/^[\w@%+=:,./${}*-]+$/.test(word) ? word : quoted(word));
  return [command, ...args].filter((word, at) => at > 0 || word !== "").map(plain).join(" ");
}

/** `NAME=value` lines; others are left out. */
export function pairs(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)$/.exec(line));
  return Object.fromEntries(lines.filter((line) => line !== null).map(([, name, value]) => [name as string, (value as string).trim()]));
}

export function unpair(environment: Record<string, string>): string {
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}

/** `Name: value` lines; others are left out. */
export function headerLines(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => /^\s*([^\s:]+)\s*:(.*)$/.exec(line));
  return Object.fromEntries(lines.filter((line) => line !== null).map(([, name, value]) => [name as string, (value as string).trim()]));
}

export function unheader(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}
