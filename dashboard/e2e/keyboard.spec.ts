import { cancel, expect, ready, submit, test, whilePaused } from "./fixtures";

test("pages, search, rows and help are reached by keyboard alone", async ({ page, request }) => {
  await whilePaused(request, async () => {
    const titles = [`Keyboard A ${Date.now()}`, `Keyboard B ${Date.now()}`];
    const ids: string[] = [];
    for (const issueTitle of titles) {
      ids.push(
        (await submit(request, { spec: "- [ ] x", priority: "critical", metadata: { issueTitle } }))
          .id,
      );
    }
    await page.goto("/");
    await ready(page);
    await page.keyboard.press("g");
    await page.keyboard.press("q");
    await expect(page.getByRole("heading", { level: 1, name: "Queue" })).toBeVisible();
    await expect(page.locator("#main")).toBeFocused();

    await page.keyboard.press("/");
    await page.keyboard.type("Keyboard");
    await expect(page.getByRole("region", { name: "Items" }).getByRole("listitem")).toHaveCount(2);
    await page.keyboard.press("Escape");
    await page.getByRole("textbox", { name: /^Search/ }).blur();
    await page.keyboard.press("j");
    await expect(page.getByRole("link", { name: titles[0] })).toBeFocused();
    await page.keyboard.press("j");
    await expect(page.getByRole("link", { name: titles[1] })).toBeFocused();
    await page.keyboard.press("k");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1, name: titles[0] })).toBeVisible();

    await page.keyboard.press("?");
    const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await expect(help).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(help).toHaveCount(0);

    await page.getByRole("button", { name: "Cancel" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("textbox").waitFor();
    await page.keyboard.type("by keyboard");
    await page.keyboard.press("Enter");
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    for (const id of ids) await cancel(request, id);
  });
});

test("the first stop skips to the content, and every stop is visible", async ({ page }) => {
  await page.goto("/system");
  await ready(page);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  for (let stop = 0; stop < 12; stop += 1) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => {
      const focused = document.activeElement;
      return focused && focused !== document.body
        ? getComputedStyle(focused).outlineStyle
        : "solid";
    });
    expect(outline, `stop ${stop}`).not.toBe("none");
  }
});
