import { expect, test } from "vitest";

import { readMounts } from "./mounts";

test("folders are read as Docker writes them", () => {
  const { mounts, wrong } = readMounts("~/a:/b\n\n/a:/b:ro\nC:\\Users\\ada:/c\nD:\\x:/y:rw\n/a\n/a:b\n:/b");
  expect(mounts).toEqual([
    { source: "~/a", target: "/b", read_only: false },
    { source: "/a", target: "/b", read_only: true },
    { source: "C:\\Users\\ada", target: "/c", read_only: false },
    { source: "D:\\x", target: "/y", read_only: false },
  ]);
  expect(wrong).toEqual(["/a", "/a:b", ":/b"]);
});
