import { cancel, expect, ready, submit, test, whilePaused } from "./fixtures";

const CORPUS = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `<svg/onload=alert(1)>`,
  `<iframe srcdoc="<script>alert(1)</script>"></iframe>`,
  `[link](javascript:alert(1))`,
  `![image](https://evil.example/x.png)`,
  `<a href="java\tscript:alert(1)">x</a>`,
  `<style>*{background:url(https://evil.example/y)}</style>`,
  `<math><mtext></mtext><script>alert(1)</script></math>`,
  `\u001b]8;;javascript:alert(1)\u0007here\u001b]8;;\u0007`,
  `<details open ontoggle=alert(1)>`,
  `{{constructor.constructor('alert(1)')()}}`,
];

test("hostile texts run no script, load nothing and break nothing", async ({ page, request }) => {
  const hostile = CORPUS.join("\n\n");
  const spec = `# Hostile ${CORPUS[1]}\n\n${hostile}\n\n## Tasks\n${CORPUS.map((text) => `- [ ] ${text.replaceAll("\n", " ")}`).join("\n")}\n`;
  await whilePaused(request, async () => {
    const item = await submit(request, {
      spec,
      priority: "critical",
      metadata: {
        issueTitle: `${CORPUS[0]}${CORPUS[2]}`,
        issueNumber: 1,
        issueUrl: "javascript:alert(1)",
      },
      sourceRef: `<img src=x onerror=alert(1)> ${Date.now()}`,
    });
    const described = await submit(request, { description: hostile, priority: "critical" });
    await request.post("/api/queue/pause", { data: { reason: hostile, pausedBy: CORPUS[1] } });
    for (const path of [
      "/",
      "/queue",
      `/work/${item.id}`,
      `/work/${item.id}?tab=details`,
      `/work/${described.id}`,
    ]) {
      await page.goto(path);
      await ready(page);
      const { scripts, frames, handlers, unsafeLinks, pictures } = await page.evaluate(() => ({
        scripts: document.querySelectorAll("#root script").length,
        frames: document.querySelectorAll("iframe, object, embed").length,
        handlers: [...document.querySelectorAll("*")].filter((node) =>
          node.getAttributeNames().some((name) => name.startsWith("on")),
        ).length,
        unsafeLinks: [...document.querySelectorAll("a")].filter(
          (link) => !/^https?:|^blob:/.test(link.href),
        ).length,
        pictures: document.querySelectorAll("#root img").length,
      }));
      expect({ path, scripts, frames, handlers, unsafeLinks, pictures }).toEqual({
        path,
        scripts: 0,
        frames: 0,
        handlers: 0,
        unsafeLinks: 0,
        pictures: 0,
      });
    }
    await page.goto(`/work/${item.id}`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(`${CORPUS[0]}${CORPUS[2]}`);
    await request.post(`/api/work/${item.id}/cancel`, {
      data: { reason: hostile, cancelledBy: CORPUS[2] },
    });
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    await cancel(request, described.id);
  });
});
