import { expect, test } from "vitest";

import { hasMath, mathematical, plain } from "./markdown";

test("HTML stays text, and a link says where it leads", () => {
  expect(plain.render("<b>x</b> *y*")).toBe("<p>&lt;b&gt;x&lt;/b&gt; <em>y</em></p>\n");
  expect(plain.render("[here](https://example.org/?a=1&b)")).toContain('href="https://example.org/?a=1&amp;b" title="https://example.org/?a=1&amp;b"');
  // No title hides the address, neither the link's own nor that of a picture in it.
  for (const source of ['[here](https://evil.example "https://good.example")', '[![a](data:image/png;base64,AAAA "https://good.example")](https://evil.example)', '[here][a]\n\n[a]: https://evil.example "https://good.example"']) {
    expect(plain.render(source), source).toContain('title="https://evil.example"');
    expect(plain.render(source), source).not.toContain("good.example");
  }
  expect(plain.render("[x](javascript:alert(1))")).not.toContain("<a");
});

test("mathematics is drawn, and what is none stays as it was written", async () => {
  expect([hasMath("a $x$"), hasMath("\\begin{align}"), hasMath("a")]).toEqual([true, true, false]);
  const { render } = await mathematical().then((renderer) => ({ render: renderer.render.bind(renderer) }));
  for (const source of ["so $x^2$ it is", "$\\displaystyle \\frac{1}{2}$", "$$\\sum_i i$$", "\\begin{align}a&=b\\\\c&=d\\end{align}"]) {
    expect(render(source), source).toMatch(/<math/);
  }
  expect(render("it costs $3, not $4")).not.toMatch(/<math/);
  expect(render("$\\frac{<b>}$ after")).toMatch(/<code class="broken">\\frac\{&lt;b&gt;\}<\/code> after/);
  // In a link, its error says nothing in the place of the link's address.
  expect(render("[$\\frac{https://good.example$](https://evil.example)")).not.toMatch(/title="[^"]*good/);
  // Neither links nor styles from a stranger.
  for (const source of ["$\\href{javascript:alert(1)}{x}$", "$\\htmlStyle{color:red}{x}$", "$\\includegraphics{https://example.org}$"]) {
    expect(render(source), source).not.toMatch(/href=|style=|src=/);
  }
});

test("no formula is larger than a page, nor takes for ever", async () => {
  const renderer = await mathematical();
  const render = (source: string) => renderer.render(source);
  for (const source of ["$\\rule{4000px}{300px}$", "$\\kern4000px x$", "$\\hspace{900em}x$", "$\\raisebox{4000px}{x}$"]) {
    const sizes = [...render(source).matchAll(/(?:width|height|voffset|depth)="(-?[\d.]+)em"/g)].map(([, size]) => Math.abs(Number(size)));
    expect(Math.max(0, ...sizes), source).toBeLessThanOrEqual(30);
  }
  expect(render("$\\def\\a{\\a\\a}\\a$")).not.toMatch(/<math/);
  expect(render(`$${"x".repeat(20_000)}$`)).not.toMatch(/<math/);
  expect(render("$x$ ".repeat(1500)).split("<math").length - 1).toBe(1000);
});
