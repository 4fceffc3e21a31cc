import { expect, test } from "vitest";

import { hasMath, mathematical, plain } from "./markdown";

test("HTML stays text, and a link says where it leads", () => {
  expect(plain.render("<b>x</b> *y*")).toBe("<p>&lt;b&gt;x&lt;/b&gt; <em>y</em></p>\n");
  expect(plain.render("[here](https://example.org/?a=1&b)")).toContain('href="https://example.org/?a=1&amp;b" title="https://example.org/?a=1&amp;b"');
  expect(plain.render("[x](javascript:alert(1))")).not.toContain("<a");
});

test("mathematics is drawn, and what is none stays as it was written", async () => {
  expect([hasMath("a $x$"), hasMath("\\begin{align}"), hasMath("a")]).toEqual([true, true, false]);
  const { render } = await mathematical().then((renderer) => ({ render: renderer.render.bind(renderer) }));
  for (const source of ["so $x^2$ it is", "$\\displaystyle \\frac{1}{2}$", "$$\\sum_i i$$", "\\begin{align}a&=b\\\\c&=d\\end{align}"]) {
    expect(render(source), source).toMatch(/<math/);
  }
  expect(render("it costs $3, not $4")).not.toMatch(/<math/);
  expect(render("$\\frac{<b>}$ after")).toMatch(/<code title="[^"]+">\\frac\{&lt;b&gt;\}<\/code> after/);
  // Neither links nor styles from a stranger.
  for (const source of ["$\\href{javascript:alert(1)}{x}$", "$\\htmlStyle{color:red}{x}$", "$\\includegraphics{https://example.org}$"]) {
    expect(render(source), source).not.toMatch(/href=|style=|src=/);
  }
});
