import type { Page } from "@playwright/test";
import { cancel, expect, ready, submit, test, whilePaused } from "./fixtures";
import { addLearning, canSeed, startFakeWorker, uploadTranscript } from "./seed";

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

/** The page has nothing that runs, frames, loads or leads anywhere unsafe. The fixture counts violations of the policy. */
async function expectInert(page: Page, path: string): Promise<void> {
  const found = await page.evaluate(() => ({
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
  expect({ path, ...found }).toEqual({
    path,
    scripts: 0,
    frames: 0,
    handlers: 0,
    unsafeLinks: 0,
    pictures: 0,
  });
}

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
      await expectInert(page, path);
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

test("hostile output of an agent runs no script, loads nothing and breaks nothing", async ({
  page,
  request,
}) => {
  test.skip(!canSeed, "DATABASE_URL and WORKER_API_URL are not set");
  const hostile = CORPUS.join("\n\n");
  const sha = "0123456789012345678901234567890123456789";
  await whilePaused(request, async () => {
    const worker = await startFakeWorker(request, { spec: "# Output\n\n- [ ] Be hostile" });
    const { id } = worker.item;
    try {
      addLearning({ text: hostile });
      const entries = [
        { type: "message", role: "assistant", text: hostile },
        { type: "message", role: "user", text: hostile },
        { type: "tool", kind: "bash", id: "1", name: CORPUS[0], input: { command: hostile } },
        { type: "tool_result", id: "1", ok: false, output: hostile },
        {
          type: "tool",
          kind: "write",
          id: "2",
          name: "Edit",
          path: `src/${CORPUS[1]}`,
          input: { file_path: CORPUS[1], old_string: CORPUS[0], new_string: hostile },
        },
        { type: "commit", hash: sha, message: CORPUS[2] },
        { type: "task_complete", index: 0, text: CORPUS[3] },
        { type: "warning", warning: CORPUS[4], message: hostile },
        { type: "notice", message: hostile },
      ];
      await uploadTranscript(
        worker,
        entries.length,
        (number) => ({ ...entries[number - 1] }) as never,
      );
      const lines = CORPUS.flatMap((text) => text.split("\n"));
      await worker.call("diff", {
        baseSha: sha,
        headSha: sha,
        files: [
          {
            path: `src/${CORPUS[1]}`,
            status: "added",
            isBinary: false,
            additions: lines.length,
            deletions: 0,
            patch: `@@ -0,0 +1,${lines.length} @@\n${lines.map((line) => `+${line}`).join("\n")}\n`,
          },
        ],
        fileCount: 1,
        additions: lines.length,
        deletions: 0,
      });
      await worker.call("review", {
        round: 1,
        headSha: sha,
        verdict: "changes_requested",
        summary: hostile,
        model: CORPUS[0],
        findings: CORPUS.map((message) => ({ severity: "error", message, suggestion: message })),
      });
      // A note has no control characters.
      const note = CORPUS.filter((text) => !text.includes("\u001b")).join("\n");
      const added = await request.post(`/api/work/${id}/notes`, { data: { text: note } });
      expect(added.status()).toBe(201);
      const open = async (path: string) => {
        await page.goto(path);
        await ready(page);
      };
      await open(`/work/${id}?tab=transcript&entry=1`);
      const transcript = page.getByRole("group", { name: "Transcript" });
      const folded = transcript.getByRole("button", { expanded: false });
      await expect(folded).toHaveCount(3);
      for (let left = 3; left > 0; left -= 1) {
        await folded.first().click();
        await expect(folded).toHaveCount(left - 1);
      }
      await expect(page.getByRole("region", { name: "Notes to the agent" })).toContainText(note);
      await expectInert(page, "transcript");
      await open(`/work/${id}?tab=changes`);
      await expect(page.getByText("alert(1)").first()).toBeVisible();
      await expectInert(page, "changes");
      await open(`/work/${id}?tab=reviews`);
      await expect(page.getByText("Changes requested")).toBeVisible();
      await page.getByRole("button", { name: /findings?: / }).click();
      await expect(page.getByText("Error", { exact: true })).toHaveCount(CORPUS.length);
      await expectInert(page, "reviews");
      await worker.call("fail", { cause: "crash", reason: hostile.slice(0, 4000), iterations: 1 });
      for (const path of [`/work/${id}?tab=attempts`, "/workers", "/learnings", "/"]) {
        await open(path);
        await expectInert(page, path);
      }
    } finally {
      await worker.end();
    }
  });
});
