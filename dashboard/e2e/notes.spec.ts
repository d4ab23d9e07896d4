import type { Page } from "@playwright/test";
import { axe, cancel, expect, ready, submit, test, whilePaused } from "./fixtures";

/** The scripted model needs some seconds per task. */
const RUN_MS = 90_000;
const MAX_NOTES = 50;

function panelOf(page: Page) {
  const panel = page.getByRole("region", { name: "Notes to the agent" });
  return {
    panel,
    notes: panel.getByRole("listitem"),
    field: panel.getByRole("textbox", { name: "Note" }),
    send: panel.getByRole("button", { name: "Send note" }),
  };
}

test("a note waits for the next iteration, and the page says when an agent has it", async ({
  page,
  request,
}) => {
  test.setTimeout(2 * RUN_MS);
  const { panel, notes, field } = panelOf(page);
  await whilePaused(request, async () => {
    const spec = "# Noted\n\n## Tasks\n- [ ] Say hello with a note\n";
    const { id } = await submit(request, { spec, priority: "critical" });
    await page.goto(`/work/${id}`);
    await ready(page);
    await field.fill("  Greet people\nby their name.  ");
    await field.press("Control+Enter");
    await expect(field).toHaveValue("");
    await expect(notes).toHaveCount(1);
    await expect(notes.first()).toContainText("Greet people\nby their name.");
    await expect(notes.first()).toContainText("Waits for the next iteration");
    const stored = await (await request.get(`/api/work/${id}/notes`)).json();
    expect(stored.notes).toMatchObject([{ text: "Greet people\nby their name.", run: 1 }]);

    // Somebody else's appears without a reload.
    const other = { text: "And wave.", author: "ada" };
    expect((await request.post(`/api/work/${id}/notes`, { data: other })).status()).toBe(201);
    await expect(notes).toHaveCount(2);
    await expect(notes.last()).toContainText("ada");
  });
  await expect(panel.getByText(/^Given to attempt 1, /)).toHaveCount(2, { timeout: RUN_MS });
  await expect(page.getByText("Completed", { exact: true })).toBeVisible({ timeout: RUN_MS });
  await expect(field).toHaveCount(0);
  await expect(panel).toContainText("another run is needed");
  await expect(notes).toHaveCount(2);
});

test("a note that is refused is undone visibly, and its text is kept", async ({
  page,
  request,
  offences,
}) => {
  offences.allowFailedRequests();
  const { notes, field, send } = panelOf(page);
  await whilePaused(request, async () => {
    const { id } = await submit(request, { spec: "# Many notes\n\n- [ ] x" });
    for (let number = 1; number <= MAX_NOTES; number += 1) {
      const data = { text: `Note ${number}` };
      expect((await request.post(`/api/work/${id}/notes`, { data })).status()).toBe(201);
    }
    await page.goto(`/work/${id}`);
    await ready(page);
    await expect(notes).toHaveCount(MAX_NOTES);
    await field.fill("One too many");
    await send.click();
    await expect(page.getByText("Sending the note was refused and undone")).toBeVisible();
    await expect(notes).toHaveCount(MAX_NOTES);
    await expect(notes.last()).toContainText(`Note ${MAX_NOTES}`);
    await expect(field).toHaveValue("One too many");
    await cancel(request, id);
  });
});

test("a note that cannot be sent says why", async ({ page, request }) => {
  const { panel, notes, field, send } = panelOf(page);
  await whilePaused(request, async () => {
    const { id } = await submit(request, { spec: "# No note\n\n- [ ] x" });
    await page.goto(`/work/${id}`);
    await ready(page);
    await send.click();
    await expect(panel.getByText("The note is empty.")).toBeVisible();
    await field.fill("x".repeat(4001));
    await expect(panel.getByText("this one has 4001")).toBeVisible();
    await field.press("Control+Enter");
    await expect(notes).toHaveCount(0);
    await expect(field).toHaveValue("x".repeat(4001));
    await cancel(request, id);
  });
});

test("an ended item keeps its notes, and says that no agent read them", async ({
  page,
  request,
}) => {
  const { panel, notes, field } = panelOf(page);
  await whilePaused(request, async () => {
    const { id } = await submit(request, { spec: "# Ended with a note\n\n- [ ] x" });
    await request.post(`/api/work/${id}/notes`, { data: { text: "Too late" } });
    await page.goto(`/work/${id}`);
    await ready(page);
    await expect(field).toBeVisible();
    await cancel(request, id);
    await expect(field).toHaveCount(0);
    await expect(notes.first()).toContainText("No agent has read it");
    await expect(panel).toContainText("another run is needed");

    await request.post(`/api/work/${id}/requeue`, { data: {} });
    await expect(field).toBeVisible();
    await expect(notes.first()).toContainText("Run 1");
    await cancel(request, id);
  });
});

for (const scheme of ["light", "dark"] as const) {
  test(`notes are accessible in the ${scheme} scheme, and fit a phone`, async ({
    page,
    request,
  }) => {
    const { notes } = panelOf(page);
    await page.emulateMedia({ colorScheme: scheme });
    await whilePaused(request, async () => {
      const { id } = await submit(request, { spec: "# Read by all\n\n- [ ] x" });
      const data = { text: `A long word: ${"x".repeat(200)}`, author: "grace" };
      await request.post(`/api/work/${id}/notes`, { data });
      await page.goto(`/work/${id}`);
      await ready(page);
      await expect(notes).toHaveCount(1);
      expect(await axe(page)).toEqual([]);
      await page.setViewportSize({ width: 360, height: 740 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow).toBeLessThanOrEqual(0);
      await cancel(request, id);
    });
  });
}
