import { cancel, expect, REPO, readItem, ready, submit, test, whilePaused } from "./fixtures";

test("work is added by form, after its mistakes were named", async ({
  page,
  request,
  offences,
}) => {
  offences.allowFailedRequests();
  await whilePaused(request, async () => {
    await page.goto("/queue");
    await ready(page);
    await page.getByRole("button", { name: "Add work" }).click();
    const dialog = page.getByRole("dialog", { name: "Add work" });
    await dialog.getByText("Checklist", { exact: true }).click();
    await dialog.getByRole("button", { name: "Add to the queue" }).click();
    await expect(dialog.getByText("Write it as owner/name.")).toBeVisible();
    await expect(dialog.getByText("The checklist is empty.")).toBeVisible();

    await dialog.getByLabel("Repository", { exact: true }).fill(REPO);
    const text = dialog.getByRole("textbox", { name: "Checklist" });
    await text.fill("# Form\n\n- [x] done");
    await expect(dialog.getByText(/at least one open task/)).toBeVisible();
    await text.fill("# Form\n\n- [ ] A task from the form\n- [ ] Another one");
    await expect(dialog.getByText("2 open tasks found")).toBeVisible();
    await dialog.getByRole("button", { name: "Add to the queue" }).click();
    await expect(page).toHaveURL(/\/work\//);
    await expect(page.getByText("A task from the form")).toBeVisible();
    await cancel(request, page.url().split("/").at(-1)?.split("?")[0] ?? "");
  });
});

test("the server's refusal of a submission is shown next to the form", async ({
  page,
  offences,
}) => {
  offences.allowFailedRequests();
  await page.goto("/queue?add=true");
  const dialog = page.getByRole("dialog", { name: "Add work" });
  await dialog.getByLabel("Repository", { exact: true }).fill("owner/..");
  await dialog.getByRole("textbox", { name: "Description" }).fill("x");
  await dialog.getByRole("button", { name: "Add to the queue" }).click();
  await expect(dialog.getByRole("alert")).toContainText(/repo/i);
});

test("an item is cancelled with a reason and run again", async ({ page, request }) => {
  await whilePaused(request, async () => {
    const { id } = await submit(request, { spec: "# Stopped by hand\n\n- [ ] x" });
    await page.goto(`/work/${id}`);
    await ready(page);
    await page.getByRole("button", { name: "Cancel" }).click();
    const dialog = page.getByRole("dialog", { name: "Cancel this item?" });
    await dialog.getByRole("textbox", { name: "Reason" }).fill("Not needed any more");
    await dialog.getByRole("button", { name: "Cancel the item" }).click();
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    await expect(page.getByText("Not needed any more")).toBeVisible();
    expect((await readItem(request, id)).status).toBe("cancelled");

    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run again" }).click();
    await expect(page.getByText("Queued", { exact: true })).toBeVisible();
    await expect.poll(async () => (await readItem(request, id)).run).toBe(2);
    await cancel(request, id);
  });
});

test("an action that is refused is undone visibly", async ({ page, request, offences }) => {
  offences.allowFailedRequests();
  await whilePaused(request, async () => {
    const first = await submit(request, { spec: "# First of a branch\n\n- [ ] x" });
    await cancel(request, first.id);
    const second = await submit(request, {
      spec: "# Second of a branch\n\n- [ ] x",
      branch: first.branch,
    });
    await page.goto(`/work/${first.id}`);
    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run again" }).click();
    await expect(page.getByText("Requeueing was refused and undone")).toBeVisible();
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    await cancel(request, second.id);
  });
});

test("the queue is paused with a reason and resumed", async ({ page, request }) => {
  await page.goto("/queue");
  await ready(page);
  await page.getByRole("button", { name: "Pause" }).click();
  const dialog = page.getByRole("dialog", { name: "Pause the queue?" });
  await dialog.getByRole("textbox", { name: "Reason" }).fill("A new disk");
  await dialog.getByRole("button", { name: "Pause the queue" }).click();
  await expect(page.getByRole("status").filter({ hasText: "The queue is paused" })).toContainText(
    "A new disk",
  );
  await page.goto("/");
  await page
    .getByRole("region", { name: "Needs you" })
    .getByRole("button", { name: "Resume" })
    .click();
  await expect(page.getByText("The queue is paused")).toHaveCount(0);
  const status = await (await request.get("/api/status")).json();
  expect(status.paused ?? null).toBeNull();
});

test("a page whose data cannot be loaded offers to try again", async ({ page, offences }) => {
  offences.allowFailedRequests();
  await page.route("**/api/learnings*", (route) => route.abort());
  await page.goto("/learnings");
  await expect(page.getByText("The learnings could not be loaded")).toBeVisible({
    timeout: 20_000,
  });
  await page.unroute("**/api/learnings*");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("The learnings could not be loaded")).toHaveCount(0);
});
