import { fileURLToPath } from "node:url";
import { type APIRequestContext, expect, type Page } from "@playwright/test";
import { cancel, completedItem, type Item, readItem, ready, submit, test } from "./fixtures";

import { addLearning, addOutcomes, canSeed, removeOutcomes } from "./seed";

const DIRECTORY = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));

test.use({ viewport: { width: 1280, height: 800 } });

function task(text: string): string {
  return `- [ ] ${text}\n`;
}

/** Long enough to run while the pictures are taken. */
function tasks(text: string): string {
  return Array.from({ length: 16 }, (_, index) => task(`${text} ${index + 1}`)).join("");
}

interface Scene {
  running: Item;
  all: Item[];
}

const LEARNINGS = [
  { kind: "pattern", text: "Each module has its tests next to it, in `<name>.test.js`." },
  {
    kind: "gotcha",
    text: "`node --test` finds files by name: a test outside of `src` does not run.",
  },
  {
    kind: "approach",
    text: 'Sort with `localeCompare` and the option `sensitivity: "base"`: it keeps umlauts next to their letter.',
  },
  { kind: "gotcha", repo: "acme/archive", text: "Old texts are in Latin-1, not in UTF-8." },
] as const;

/** Ended items with learnings and without, in three repositories. */
function seedOutcomes(): void {
  const seed = (repo: string, withLearnings: number[], without: number[]) => {
    for (const [holdout, numbers] of [[false, withLearnings] as const, [true, without] as const]) {
      const [items = 0, completed = 0, retried = 0, iterations = 0, costUsd = 0] = numbers;
      addOutcomes({ repo, holdout, items, completed, retried, iterations, costUsd });
    }
  };
  seed("acme/wordsmith", [240, 206, 30, 5, 1.1], [62, 42, 17, 7, 1.6]);
  seed("acme/archive", [90, 61, 21, 8, 2.2], [24, 15, 6, 8, 2.3]);
  seed("acme/letters", [12, 9, 2, 4, 0.7], [3, 2, 1, 4, 0.8]);
}

/** Two items run, some wait behind them, one has failed. */
async function seed(request: APIRequestContext): Promise<Scene> {
  const issue = (issueNumber: number, issueTitle: string) => ({
    source: "github",
    sourceRef: `${issueNumber}-${Date.now()}`,
    metadata: {
      issueNumber,
      issueTitle,
      issueUrl: `https://github.com/acme/wordsmith/issues/${issueNumber}`,
    },
  });
  const failed = await submit(request, {
    repo: "acme/archive",
    spec: task("Old texts can be read"),
    priority: "critical",
    ...issue(12, "Read texts of the old archive"),
  });
  await expect
    .poll(async () => (await readItem(request, failed.id)).status, { timeout: 60_000 })
    .toBe("failed");
  const running = await submit(request, {
    spec: `# Sort\n\nReaders want to see words in an order of their choice.\n\n## Tasks\n${tasks("Words can be sorted by rule")}`,
    priority: "critical",
    requestedBy: "ada",
    ...issue(31, "Sort the words of a text"),
  });
  const note = { text: "Use Intl.Collator, not a table of our own.", author: "ada" };
  expect((await request.post(`/api/work/${running.id}/notes`, { data: note })).ok()).toBe(true);
  const other = await submit(request, {
    spec: `# Languages\n\n## Tasks\n${tasks("Words are counted in text")}`,
    priority: "critical",
    requestedBy: "grace",
    ...issue(33, "Count words of languages without spaces"),
  });
  const waiting = [
    await submit(request, {
      spec: task("Umlauts count as letters") + task("Accents count as letters"),
      priority: "high",
      requestedBy: "grace",
      ...issue(35, "Treat umlauts and accents as letters"),
    }),
    await submit(request, {
      spec: task("The report is a table"),
      priority: "medium",
      requestedBy: "ada",
      ...issue(28, "Print the most frequent words as a table"),
    }),
    await submit(request, {
      spec: task("Large files are streamed"),
      priority: "low",
      ...issue(22, "Read large files in pieces"),
    }),
  ];
  await expect
    .poll(async () => (await readItem(request, running.id)).tasksDone, { timeout: 90_000 })
    .toBeGreaterThanOrEqual(2);
  return { running, all: [failed, running, other, ...waiting] };
}

async function shoot(page: Page, path: string, name: string): Promise<void> {
  await page.goto(path);
  await ready(page);
  await page.evaluate(() => document.fonts.ready);
  // Charts and diffs are chunks of their own.
  await expect(page.locator(".mantine-Skeleton-root")).toHaveCount(0);
  if (name.startsWith("queue")) await expect(page.getByText(/^Behind|slot/).first()).toBeVisible();
  await page.screenshot({ path: `${DIRECTORY}${name}.png`, animations: "disabled" });
}

test("pictures of each page in both schemes", async ({ page, request }) => {
  // The space for scrollbars is not part of the pages, and phones have none.
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setScrollbarsHidden", { hidden: true });
  const done = await completedItem(request);
  if (canSeed) for (const learning of LEARNINGS) addLearning(learning);
  const scene = await seed(request);
  const pages: [name: string, path: string][] = [
    ["overview", "/"],
    ["workers", "/workers"],
    ["queue", "/queue"],
    ["item", `/work/${scene.running.id}`],
    ["transcript", `/work/${done.id}?tab=transcript&entry=6`],
    ["changes", `/work/${done.id}?tab=changes`],
    ["attempts", `/work/${done.id}?tab=attempts`],
    ["learnings", "/learnings"],
    ["metrics", "/metrics"],
    ["system", "/system"],
  ];
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [name, path] of pages) await shoot(page, path, `${name}-${scheme}`);
  }
  await page.setViewportSize({ width: 390, height: 800 });
  await shoot(page, "/", "overview-phone");
  await page.setViewportSize({ width: 1280, height: 800 });
  if (canSeed) seedOutcomes();
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await shoot(page, "/learnings?view=effect", `learnings-effect-${scheme}`);
  }
  if (canSeed) removeOutcomes();
  for (const { id } of scene.all) await cancel(request, id);
});
