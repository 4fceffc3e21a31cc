import { expect, test } from "vitest";

import { hasMath, mathematical, pictureOf, plain } from "./markdown";
import { safeHtml } from "./safeHtml";

test("HTML that lays out text is drawn, and nothing else of it", () => {
  expect(plain.render("<b>x</b> *y*")).toBe("<p><b>x</b> <em>y</em></p>\n");
  expect(plain.render('<div align="center" onclick="x()" style="position:fixed">\n<IMG SRC="data:image/png;base64,AAAA" width=10 onerror=x()>\n</div>')).toBe('<div align="center">\n<img src="data:image/png;base64,AAAA" width="10">\n</div>');
  expect(plain.render("a <sub>1</sub><br> <!-- <script> -->b")).toBe("<p>a <sub>1</sub><br> b</p>\n");
  expect(plain.render('<a href="https://evil.example/?a=1&amp;b" title="https://good.example">x</a>')).toBe('<p><a href="https://evil.example/?a=1&amp;b" title="https://evil.example/?a=1&amp;b">x</a></p>\n');
  for (const hostile of [
    "<script>alert(1)</script>", "<iframe src=https://evil.example></iframe>", '<img src="https://evil.example/a.png">', "<img src=x onerror=alert(1)>", '<a href="javascript:alert(1)">x</a>', '<a href=" &#106;avascript:alert(1)">x</a>',
    "<form action=https://evil.example><input name=a></form>", "<style>*{display:none}</style>", '<svg onload="alert(1)"><script>1</script></svg>', '<math href="javascript:1">', '<b id="app" class="x" data-testid="y">x</b>', "<base href=https://evil.example>",
    '<div title="a><script>alert(1)</script>">', "<b <script>alert(1)</script>>", "<!--><script>alert(1)</script>-->", '<p title=\'"><script>\'>', "<constructor>", "<object data=x></object>", "<template><img></template>", '<img alt="`<" src=`x`onerror=1>',
  ]) {
    for (const html of [plain.render(hostile), plain.render(`text ${hostile}`), plain.render(`<div>\n${hostile}\n</div>`)]) {
      for (const [tag] of html.matchAll(/<[a-zA-Z/][^>]*>/g)) {
        expect(tag, hostile).toMatch(/^<\/?(p|div|b|a|img|br|code)\b/);
        expect(tag.replace(/"[^"]*"/g, '""'), hostile).not.toMatch(/ (on\w+|style|id|class|href|src|data-\w+)=/);
      }
    }
  }
});

test("pictures beside the notebook are asked for by their address, and no others", () => {
  const asked: string[] = [];
  const beside = (address: string) => (asked.push(address), address.startsWith("a") ? "data:image/png;base64,AAAA" : null);
  expect(plain.render("![a](a.png)", undefined, beside)).toBe('<p><img src="data:image/png;base64,AAAA" alt="a"></p>\n');
  expect(plain.render('<img src="a b.png" width="10">', undefined, beside)).toBe('<img src="data:image/png;base64,AAAA" width="10">');
  expect(plain.render("![b](../b.png)", undefined, beside)).toContain("[picture not shown: b]");
  expect(asked).toEqual(["a.png", "a b.png", "../b.png"]);
  for (const address of ["https://example.org/a.png", "//example.org/a.png", "/etc/a.png", "file:a.png", "#a", "C:\\a.png", "data:text/html,x"]) {
    plain.render(`![x](<${address}>) <img src="${address}">`, undefined, beside);
  }
  expect(asked).toHaveLength(3);
});

test("HTML that only begins holds nothing up, and is text", () => {
  for (const piece of ["<!--", "<a ", '<a "', `x'<a "''x'x`, '<a b="<', "<", `<b "'`]) {
    expect(safeHtml(piece.repeat(50_000), () => null), piece).not.toContain("<");
  }
  // What comes before is drawn all the same.
  expect(safeHtml(`<b>a</b> ${"<!--".repeat(50_000)}`, () => null)).toMatch(/^<b>a<\/b> &lt;!--/);
});

test("a picture is what the text holds, or what is attached to its cell", () => {
  const attachments = { "a b.png": { "image/png": "AA\nAA" }, "x.png": { "text/html": "<b>" }, constructor: 3 };
  expect(plain.render("![a](attachment:a%20b.png)", attachments)).toBe('<p><img src="data:image/png;base64,AAAA" alt="a"></p>\n');
  expect(plain.render('<img src="attachment:a b.png">', attachments)).toBe('<img src="data:image/png;base64,AAAA">');
  for (const address of ["attachment:x.png", "attachment:constructor", "attachment:gone.png", "https://example.org/a.png", "a.png", "data:text/html,x"]) expect(pictureOf(address, attachments), address).toBeNull();
  expect(plain.render("![a <b>](https://example.org/a.png)")).toBe('<p><span class="missing">[picture not shown: a &lt;b&gt;]</span></p>\n');
});

test("a link says where it leads", () => {
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
