import { axe, completedItem, expect, ready, submit, test, whilePaused } from "./fixtures";

const PAGES = [
  { name: "overview", path: "/", title: /need/ },
  { name: "workers", path: "/workers", title: "Workers" },
  { name: "queue", path: "/queue", title: "Queue" },
  { name: "learnings", path: "/learnings", title: "Learnings" },
  { name: "metrics", path: "/metrics", title: "Metrics" },
  { name: "system", path: "/system", title: "System" },
] as const;

for (const scheme of ["light", "dark"] as const) {
  test.describe(`in the ${scheme} scheme`, () => {
    test.use({ colorScheme: scheme });

    for (const { name, path, title } of PAGES) {
      test(`the ${name} page is complete and accessible`, async ({ page }) => {
        await page.goto(path);
        await expect(page.getByRole("heading", { level: 1 })).toHaveText(title);
        await ready(page);
        await expect(page).toHaveTitle(/ · Whim$/);
        expect(await axe(page)).toEqual([]);
      });
    }

    for (const tab of ["transcript", "changes", "attempts", "reviews", "log", "details"]) {
      test(`an item's ${tab} are accessible`, async ({ page, request }) => {
        const { id } = await completedItem(request);
        await page.goto(`/work/${id}?tab=${tab}`);
        await expect(page.getByRole("heading", { name: "Checklist" })).toBeVisible();
        await ready(page);
        expect(await axe(page)).toEqual([]);
      });
    }
  });
}

test("dialogs are accessible", async ({ page }) => {
  await page.goto("/queue?add=true");
  await expect(page.getByRole("dialog", { name: "Add work" })).toBeVisible();
  expect(await axe(page)).toEqual([]);
  await page.goto("/queue");
  await ready(page);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  expect(await axe(page)).toEqual([]);
});

test("each page opens at phone width without scrolling sideways", async ({ page, request }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const { id } = await completedItem(request);
  for (const path of [
    ...PAGES.map((entry) => entry.path),
    `/work/${id}`,
    `/work/${id}?tab=changes`,
    `/work/${id}?tab=attempts`,
  ]) {
    await page.goto(path);
    await ready(page);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, `${path} is wider than the screen`).toBeLessThanOrEqual(0);
  }
  await page
    .getByRole("navigation", { name: "Pages" })
    .getByRole("link", { name: /Queue/ })
    .click();
  await expect(page.getByRole("heading", { level: 1, name: "Queue" })).toBeVisible();
});

test("an address of no page and of no item say so", async ({ page, offences }) => {
  offences.allowFailedRequests();
  await page.goto("/nothing-here");
  await expect(page.getByText("This page does not exist")).toBeVisible();
  await page.goto("/work/0193a000-0000-7000-8000-000000000000");
  await expect(page.getByText("There is no such item")).toBeVisible();
});

test("the queue shows why an item waits, and filters", async ({ page, request }) => {
  await whilePaused(request, async () => {
    const name = `Needle ${Date.now()}`;
    const spec = `# ${name}\n\n- [ ] Find it\n`;
    const item = await submit(request, {
      spec,
      priority: "low",
      requestedBy: "grace",
      metadata: { issueTitle: name },
    });
    await page.goto("/queue");
    await expect(page.getByRole("status").filter({ hasText: "The queue is paused" })).toContainText(
      "end-to-end tests",
    );
    const row = page.getByRole("listitem").filter({ hasText: name });
    await expect(row).toContainText("Low");
    await expect(row).toContainText("The queue is paused.");
    await page.getByRole("textbox", { name: /^Search/ }).fill(name.toLowerCase());
    await expect(page.getByRole("region", { name: "Items" }).getByRole("listitem")).toHaveCount(1);
    await page.getByRole("combobox", { name: "Priority" }).selectOption("critical");
    await expect(page.getByText("No loaded item matches")).toBeVisible();
    await request.post(`/api/work/${item.id}/cancel`, { data: {} });
  });
});

test("the system page lists the background tasks with their last reports", async ({ page }) => {
  await page.goto("/system");
  const table = page.getByRole("table", { name: "Background tasks" });
  const row = table.getByRole("row").filter({ hasText: "expired_leases" });
  await expect(row).toContainText("just now");
  await expect(row).toContainText("Nothing to do");
  await expect(table).not.toContainText("Failed");
});

test("the system page shows whose the token of the intake is, and what it may do", async ({
  page,
}) => {
  await page.goto("/system");
  const panel = page.getByRole("region", { name: "Credentials of the intake" });
  await expect(panel).toContainText("GitHub token of whim-bot");
  const repository = panel.getByRole("listitem").filter({ hasText: "Push: yes." });
  await expect(repository.first()).toContainText("Pull requests: yes.");
  await expect(panel).toContainText("SPEC_MODEL");
});

test("durations and waits are shown by day, with their table", async ({ page }) => {
  await page.goto("/metrics?range=7d");
  const panel = page.getByRole("region", { name: "Durations by day" });
  await expect(panel.getByRole("img")).toBeVisible();
  await panel.getByText("Table").click();
  const rows = panel.getByRole("table", { name: "Durations by day" }).getByRole("row");
  await expect(rows.nth(1)).toContainText(/\d+s/);
});

test("a chart has its table and its figures as CSV", async ({ page }) => {
  await page.goto("/metrics?range=24h");
  await ready(page);
  const panel = page.getByRole("region", { name: "Outcome of attempts" });
  await panel.getByText("Table").click();
  await expect(
    panel.getByRole("table", { name: "Outcome of attempts" }).getByRole("row"),
  ).toHaveCount(25);
  const download = page.waitForEvent("download");
  await panel.getByRole("button", { name: /download as CSV/ }).click();
  expect((await download).suggestedFilename()).toBe("whim-outcomes.csv");
});
