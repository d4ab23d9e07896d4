import { cancel, expect, readItem, ready, submit, test, whilePaused } from "./fixtures";
import { addLearning, canSeed } from "./seed";

test("the priority of a waiting item is changed, in the queue and on its page", async ({
  page,
  request,
}) => {
  await whilePaused(request, async () => {
    const name = `Reordered ${Date.now()}`;
    const first = await submit(request, {
      spec: "- [ ] x",
      priority: "high",
      metadata: { issueTitle: `${name} first` },
    });
    const second = await submit(request, {
      spec: "- [ ] x",
      priority: "low",
      metadata: { issueTitle: `${name} second` },
    });
    await page.goto("/queue");
    await ready(page);
    await page.getByRole("textbox", { name: /^Search/ }).fill(name);
    const rows = page.getByRole("region", { name: "Items" }).getByRole("listitem");
    await expect(rows).toHaveCount(2);
    await expect(rows.first()).toContainText("first");

    await page.getByRole("button", { name: `Low priority, change: ${name} second` }).click();
    const dialog = page.getByRole("dialog", { name: "Change the priority" });
    await dialog.getByRole("combobox", { name: "Priority" }).selectOption("critical");
    await dialog.getByRole("button", { name: "Change" }).click();
    await expect(rows.first()).toContainText("second");
    await expect(rows.first()).toContainText("Critical");
    expect((await readItem(request, second.id)).priority).toBe("critical");

    await page.goto(`/work/${first.id}`);
    await page.getByRole("button", { name: /^High priority, change/ }).click();
    await dialog.getByRole("combobox", { name: "Priority" }).selectOption("low");
    await dialog.getByRole("button", { name: "Change" }).click();
    await expect(page.getByRole("button", { name: /^Low priority, change/ })).toBeVisible();
    await expect.poll(async () => (await readItem(request, first.id)).priority).toBe("low");
    for (const { id } of [first, second]) await cancel(request, id);
  });
});

test("a priority that can no longer be changed is restored visibly", async ({
  page,
  request,
  offences,
}) => {
  offences.allowFailedRequests();
  await whilePaused(request, async () => {
    const { id } = await submit(request, { spec: "- [ ] x", priority: "low" });
    await page.goto(`/work/${id}`);
    await ready(page);
    await page.route("**/api/work/*/priority", (route) => route.abort());
    await page.getByRole("button", { name: /^Low priority, change/ }).click();
    const dialog = page.getByRole("dialog", { name: "Change the priority" });
    await dialog.getByRole("combobox", { name: "Priority" }).selectOption("high");
    await dialog.getByRole("button", { name: "Change" }).click();
    await expect(page.getByText("Changing the priority was refused and undone")).toBeVisible();
    await expect(page.getByRole("button", { name: /^Low priority, change/ })).toBeVisible();
    await cancel(request, id);
  });
});

test("a learning is edited, pinned, retired and used again", async ({ page }) => {
  test.skip(!canSeed, "DATABASE_URL is not set");
  const name = `Learning ${Date.now()}`;
  addLearning({ text: `${name}: run the tests` });
  await page.goto("/learnings");
  await ready(page);
  const entry = page.getByRole("listitem").filter({ hasText: name });
  await entry.getByRole("button", { name: /^Edit/ }).click();
  const dialog = page.getByRole("dialog", { name: "Edit this learning" });
  await dialog.getByRole("textbox", { name: "Text" }).fill("");
  await expect(dialog.getByText("The text is empty.")).toBeVisible();
  await dialog.getByRole("textbox", { name: "Text" }).fill(`${name}: run npm test`);
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(entry).toContainText("run npm test");

  await entry.getByRole("button", { name: /^Pin/ }).click();
  await expect(entry.getByText("Pinned", { exact: true })).toBeVisible();
  await page.getByRole("combobox", { name: "State" }).selectOption("pinned");
  await expect(page).toHaveURL(/state=pinned/);
  await expect(entry).toBeVisible();

  await entry.getByRole("button", { name: /^Retire/ }).click();
  await expect(entry).toHaveCount(0);
  await page.getByRole("combobox", { name: "State" }).selectOption("retired");
  await expect(entry.getByText("Retired", { exact: true })).toBeVisible();
  await entry.getByRole("button", { name: /^Use again/ }).click();
  await expect(entry).toHaveCount(0);
  await page.getByRole("combobox", { name: "State" }).selectOption("current");
  await expect(entry).toContainText("run npm test");
});

test("the settings are listed without secrets", async ({ page }) => {
  await page.goto("/system");
  await ready(page);
  const panel = page.getByRole("region", { name: "Settings" });
  const table = panel.getByRole("table", { name: "Settings" });
  await expect(table.getByRole("row").filter({ hasText: "GATEWAY_KEY" })).toContainText(
    "Set, hidden",
  );
  await expect(table.getByRole("row").filter({ hasText: "BREAKER_THRESHOLD" })).toHaveCount(0);
  await panel.getByText("All", { exact: true }).click();
  await expect(table.getByRole("row").filter({ hasText: "BREAKER_THRESHOLD" })).toContainText("5");
});

test("usage by day and repository is listed, and downloaded as CSV", async ({ page }) => {
  await page.goto("/metrics?range=90d");
  await ready(page);
  const panel = page.getByRole("region", { name: "By day and repository" });
  const row = panel.getByRole("row").filter({ hasText: "acme/wordsmith" }).first();
  await expect(row).toBeVisible();
  const download = page.waitForEvent("download");
  await panel.getByRole("button", { name: /download as CSV/ }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("whim-days.csv");
  const stream = await file.createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const [header, first] = Buffer.concat(chunks).toString("utf8").split(/\r?\n/);
  expect(header).toContain("Day (UTC),Repository,Submitted");
  expect(first).toMatch(/^\d{4}-\d{2}-\d{2},acme\//);
});
