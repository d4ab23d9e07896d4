import { completedItem, expect, ready, test } from "./fixtures";

test("a transcript shows messages, calls and results, is searched, and links to one entry", async ({
  page,
  request,
}) => {
  const { id } = await completedItem(request);
  await page.goto(`/work/${id}?tab=transcript&entry=1`);
  await ready(page);
  const transcript = page.getByRole("group", { name: "Transcript" });
  await expect(transcript.getByText("Iteration 1", { exact: true })).toBeVisible();
  const call = transcript.getByRole("button", { name: /Bash/ }).first();
  await call.click();
  await expect(call).toHaveAttribute("aria-expanded", "true");

  await page.getByRole("textbox", { name: "Search in the transcript" }).fill("npm test");
  const count = page.getByRole("search", { name: "Transcript" }).getByRole("status");
  await expect(count).toHaveText(/^[1-9]\d* match(es)?$/);
  await page.getByRole("button", { name: "Next match" }).click();
  await expect(page).toHaveURL(/entry=[2-9]|entry=\d\d/);
  await expect(transcript.locator("[data-marked=true]")).toBeVisible();

  const address = page.url();
  await page.goto("/");
  await page.goto(address);
  await expect(transcript.locator("[data-marked=true]")).toBeInViewport();
});

test("the changes and the attempts of an item are there", async ({ page, request }) => {
  const { id } = await completedItem(request);
  await page.goto(`/work/${id}?tab=changes`);
  await expect(page.getByRole("button", { name: /src\/.*added/ }).first()).toBeVisible();
  await expect(page.locator("td").filter({ hasText: "export function" }).first()).toBeVisible();
  await page.getByRole("tab", { name: "Attempts" }).click();
  const attempt = page.getByRole("listitem").filter({ hasText: "Attempt 1" }).first();
  await expect(attempt).toContainText("Completed");
  await expect(attempt.getByRole("table", { name: "Iterations" })).toBeVisible();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export everything about this item" }).click();
  expect((await download).suggestedFilename()).toMatch(/^whim-.*\.tar\.zst$/);
});
