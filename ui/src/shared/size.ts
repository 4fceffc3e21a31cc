/** Bytes in words, such as `1.3 GB`; powers of a thousand, as disks are sold. */
export function size(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`;
}

/** Bytes in words, such as `3 MiB`; powers of 1024, as limits of memory are, and rounded up. */
export function binarySize(bytes: number): string {
  const mib = Math.ceil(bytes / (1 << 20));
  return mib > 1 ? `${mib} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}
