import { cancel, expect, REPO, ready, submit, test, whilePaused } from "./fixtures";

/** The scripted model needs some seconds per task. */
const RUN_MS = 90_000;

test("an item is watched from the queue to its pull request, without a reload", async ({
  page,
  request,
}) => {
  test.setTimeout(2 * RUN_MS);
  const title = `Watched ${Date.now()}`;
  const spec = `# ${title}\n\n## Tasks\n- [ ] Say hello\n- [ ] Say goodbye\n- [ ] Wave\n`;
  let id = "";
  await whilePaused(request, async () => {
    id = (await submit(request, { spec, priority: "critical", metadata: { issueTitle: title } }))
      .id;
    await page.goto(`/work/${id}`);
    await ready(page);
    await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
    await expect(page.getByText("Queued", { exact: true })).toBeVisible();
  });
  const loads: string[] = [];
  page.on("framenavigated", (frame) => loads.push(frame.url()));

  await expect(page.getByText("In progress", { exact: true })).toBeVisible({ timeout: RUN_MS });
  const tasks = page.getByRole("region", { name: "Checklist" });
  await expect(tasks.getByText("At work:")).toBeAttached({ timeout: RUN_MS });
  await expect(page).toHaveTitle(/^\d\/3 Watched/);
  await expect(tasks.getByText("Done:")).toHaveCount(1, { timeout: RUN_MS });
  await expect(page.getByText("Completed", { exact: true })).toBeVisible({ timeout: RUN_MS });
  await expect(tasks.getByText("Done:")).toHaveCount(3);
  await expect(page.getByRole("link", { name: /Pull request #\d+/ }).first()).toBeVisible();
  await expect(page).toHaveTitle(/^✓ Watched/);
  expect(loads).toEqual([]);
});

test("the transcript appears as it happens", async ({ page, request }) => {
  test.setTimeout(2 * RUN_MS);
  const spec = "# Transcribed\n\n## Tasks\n- [ ] Say hello again\n";
  let id = "";
  await whilePaused(request, async () => {
    id = (await submit(request, { spec, priority: "critical" })).id;
    await page.goto(`/work/${id}?tab=transcript`);
    await ready(page);
    await expect(page.getByText("No transcript yet")).toBeVisible();
  });
  const transcript = page.getByRole("group", { name: "Transcript" });
  await expect(transcript.getByText("Iteration 1", { exact: true })).toBeVisible({
    timeout: RUN_MS,
  });
  await expect(transcript.getByRole("button", { name: /Bash/ }).first()).toBeVisible({
    timeout: RUN_MS,
  });
  await expect(page.getByText("Completed", { exact: true })).toBeVisible({ timeout: RUN_MS });
  await expect(transcript.getByText(/Iteration 1 took/)).toBeVisible();
});

test("the overview and the workers show what runs", async ({ page, request }) => {
  test.setTimeout(2 * RUN_MS);
  const title = `Running ${Date.now()}`;
  await page.goto("/workers");
  await ready(page);
  const spec = `# ${title}\n\n## Tasks\n- [ ] One\n- [ ] Two\n- [ ] Three\n- [ ] Four\n`;
  const { id } = await submit(request, {
    spec,
    priority: "critical",
    metadata: { issueTitle: title },
  });
  const running = page.getByRole("region", { name: "Running" });
  await expect(running.getByRole("link", { name: title })).toBeVisible({ timeout: RUN_MS });
  await expect(page).toHaveTitle(/^Workers \(\d+\)/);
  await expect(page.locator('link[rel="icon"]')).toHaveAttribute(
    "href",
    /favicon-(running|attention)\.svg/,
  );
  await page.getByRole("link", { name: /^Overview/ }).click();
  await expect(
    page.getByRole("region", { name: "At work" }).getByRole("link", { name: title }),
  ).toBeVisible();

  await page.getByRole("link", { name: /^Workers/ }).click();
  await running
    .getByRole("listitem")
    .filter({ hasText: title })
    .getByRole("button", { name: "Kill" })
    .click();
  await page.getByRole("dialog").getByRole("button", { name: "Kill the worker" }).click();
  await expect(running.getByRole("link", { name: title })).toHaveCount(0, { timeout: RUN_MS });
  await expect(
    page.getByRole("table", { name: "Ended workers" }).getByText("Killed").first(),
  ).toBeVisible();
  await cancel(request, id);
});

test("after an interruption the page says so, recovers by itself and shows what it missed", async ({
  page,
  request,
  offences,
}) => {
  test.setTimeout(RUN_MS);
  offences.allowFailedRequests();
  await whilePaused(request, async () => {
    await page.goto("/queue");
    await ready(page);
    await page.route("**/api/events", (route) => route.abort());
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await expect(page.getByTestId("live-state")).toHaveText("Paused", { timeout: 20_000 });
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await expect(page.getByText("Live updates are interrupted")).toBeVisible();
    const title = `Missed ${Date.now()}`;
    const item = await submit(request, {
      spec: "- [ ] x",
      priority: "low",
      metadata: { issueTitle: title },
    });
    await expect(page.getByRole("link", { name: title })).toHaveCount(0);
    await page.unroute("**/api/events");
    await expect(page.getByRole("link", { name: title })).toBeVisible({ timeout: 45_000 });
    await expect(page.getByText("Live updates are interrupted")).toHaveCount(0);
    await ready(page);
    await cancel(request, item.id);
  });
});

const orchestrator = Number(process.env.ORCHESTRATOR_PID);

test("an orchestrator that stops answering is noticed, and its return too", async ({
  page,
  request,
  offences,
}) => {
  test.skip(!orchestrator, "ORCHESTRATOR_PID is not set");
  test.setTimeout(3 * RUN_MS);
  offences.allowFailedRequests();
  await page.goto("/queue");
  await ready(page);
  process.kill(orchestrator, "SIGSTOP");
  try {
    // The stream stays open and silent.
    await expect(page.getByText("Live updates are interrupted")).toBeVisible({ timeout: RUN_MS });
  } finally {
    process.kill(orchestrator, "SIGCONT");
  }
  await expect(page.getByTestId("live-state")).toHaveText("Live", { timeout: RUN_MS });
  await expect(page.getByText("Live updates are interrupted")).toHaveCount(0);
  const title = `After the outage ${Date.now()}`;
  await whilePaused(request, async () => {
    const item = await submit(request, { spec: "- [ ] x", metadata: { issueTitle: title } });
    await expect(page.getByRole("link", { name: title })).toBeVisible();
    await cancel(request, item.id);
  });
});

test("two tabs show the same change", async ({ context, request }) => {
  await whilePaused(request, async () => {
    const [first, second] = [await context.newPage(), await context.newPage()];
    await first.goto("/queue");
    await second.goto(`/queue?repo=${encodeURIComponent(REPO)}`);
    await ready(first);
    await ready(second);
    const title = `Twice ${Date.now()}`;
    const item = await submit(request, {
      spec: "- [ ] x",
      priority: "critical",
      metadata: { issueTitle: title },
    });
    await expect(first.getByRole("link", { name: title })).toBeVisible();
    await expect(second.getByRole("link", { name: title })).toBeVisible();
    await cancel(request, item.id);
    await expect(first.getByRole("link", { name: title })).toHaveCount(0);
    await expect(second.getByRole("link", { name: title })).toHaveCount(0);
  });
});

const otherUrl = process.env.OTHER_BASE_URL;

test("a change at one orchestrator appears in a dashboard in front of another", async ({
  page,
  browser,
  request,
}) => {
  test.skip(!otherUrl, "OTHER_BASE_URL is not set");
  await whilePaused(request, async () => {
    const context = await browser.newContext({ baseURL: otherUrl });
    const other = await context.newPage();
    await page.goto("/queue");
    await other.goto("/queue");
    await ready(page);
    await ready(other);
    await expect(other.getByText("The queue is paused").first()).toBeVisible();
    const title = `Across ${Date.now()}`;
    const item = await submit(request, {
      spec: "- [ ] x",
      priority: "critical",
      metadata: { issueTitle: title },
    });
    await expect(other.getByRole("link", { name: title })).toBeVisible();
    const cancelled = await context.request.post(`/api/work/${item.id}/cancel`, { data: {} });
    expect(cancelled.ok()).toBe(true);
    await expect(page.getByRole("link", { name: title })).toHaveCount(0);
    await context.close();
  });
});

// Last of those that use the process: its successor has another identifier.
test("after a restart of the orchestrator the page recovers by itself", async ({
  page,
  request,
  offences,
}) => {
  test.skip(!orchestrator, "ORCHESTRATOR_PID is not set");
  test.setTimeout(2 * RUN_MS);
  offences.allowFailedRequests();
  await page.goto("/queue");
  await ready(page);
  const loads: string[] = [];
  page.on("framenavigated", (frame) => loads.push(frame.url()));
  const resumed = page.waitForResponse(
    (response) => response.url().endsWith("/api/events") && response.ok(),
    { timeout: RUN_MS },
  );
  process.kill(orchestrator, "SIGKILL");
  // `whim-demo` starts it again.
  await resumed;
  await expect(page.getByTestId("live-state")).toHaveText("Live");
  await expect(page.getByText("Live updates are interrupted")).toHaveCount(0);
  await whilePaused(request, async () => {
    const title = `After the restart ${Date.now()}`;
    const item = await submit(request, {
      spec: "- [ ] x",
      priority: "critical",
      metadata: { issueTitle: title },
    });
    await expect(page.getByRole("link", { name: title })).toBeVisible();
    await cancel(request, item.id);
  });
  expect(loads).toEqual([]);
});
