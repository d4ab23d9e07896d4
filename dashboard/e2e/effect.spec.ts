import { axe, expect, ready, test } from "./fixtures";
import { addLearning, addOutcomes, addUses, canSeed, removeOutcomes, sql } from "./seed";

const HELPED = "uplift/helped";
const UNCLEAR = "uplift/unclear";
const FEW = "uplift/few";

/** Learnings help in one repository; in another nothing can be shown, and in a third there are too few items. */
function seedOutcomes(): void {
  addOutcomes({ repo: HELPED, items: 120, completed: 108, retried: 12, iterations: 5, costUsd: 1 });
  addOutcomes({
    repo: HELPED,
    holdout: true,
    items: 60,
    completed: 30,
    retried: 30,
    iterations: 8,
    costUsd: 2,
  });
  const same = { repo: UNCLEAR, completed: 20, retried: 10, iterations: 6, costUsd: 1.5 };
  addOutcomes({ ...same, items: 40 });
  addOutcomes({ ...same, holdout: true, items: 38 });
  const few = { repo: FEW, completed: 3, retried: 0, iterations: 4, costUsd: 0.5 };
  addOutcomes({ ...few, items: 5 });
  addOutcomes({ ...few, holdout: true, items: 4 });
}

test.describe("the effect of learnings", () => {
  test.skip(!canSeed, "DATABASE_URL and WORKER_API_URL are not set");
  test.afterEach(removeOutcomes);

  test("without enough items it says so, and what is missing", async ({ page }) => {
    await page.goto("/learnings");
    await ready(page);
    await page.getByText("Do they help?").click();
    await expect(page).toHaveURL(/view=effect/);
    const panel = page.getByRole("region", { name: "Effect of learnings" });
    await expect(panel).toContainText("Not enough data yet");
    await expect(panel).toContainText(/each needs at least 10\./);
    await expect(page.getByRole("region", { name: "Success" })).toContainText(
      "Not enough data yet",
    );
    expect(await axe(page)).toEqual([]);
  });

  test("it is shown in all and by repository, with intervals, as a chart and as a table", async ({
    page,
  }) => {
    seedOutcomes();
    await page.goto("/learnings?view=effect");
    await ready(page);
    const success = page.getByRole("region", { name: "Success" });
    await expect(success).toContainText(/\+\d+ points/);
    await expect(success).toContainText("Better with learnings");
    await expect(success).toContainText(/95 % interval \+[\d.]+ to \+[\d.]+ points/);
    await expect(page.getByRole("region", { name: "Iterations" })).toContainText(/−\d\.\d/);
    await expect(page.getByRole("region", { name: "Cost" })).toContainText(/−\$\d\.\d\d/);
    await expect(page.getByRole("region", { name: "Repairs" })).toContainText(/−\d+ points/);

    const panel = page.getByRole("region", { name: "Effect of learnings" });
    const chart = panel.getByRole("img", { name: /^Success\. All repositories: \+/ });
    await expect(chart.locator("svg .recharts-errorBar").first()).toBeVisible();
    await expect(chart).toContainText(HELPED);
    await expect(panel).toContainText(`Not enough data yet: ${FEW}.`);

    await panel.getByText("Table").click();
    const rows = panel.getByRole("table", { name: "Effect of learnings" }).getByRole("row");
    await expect(rows).toHaveCount(5);
    await expect(rows.nth(1)).toContainText("All repositories");
    await expect(rows.filter({ hasText: HELPED })).toContainText(
      /1206090 %50 %\+40 points\+\d+ to \+\d+ pointsBetter with learnings/,
    );
    await expect(rows.filter({ hasText: UNCLEAR })).toContainText("No difference can be shown yet");
    await expect(rows.filter({ hasText: FEW })).toContainText("Not enough data yet");
    await panel.getByText("Iterations", { exact: true }).click();
    await expect(rows.filter({ hasText: HELPED })).toContainText(/5\.08\.0−3\.0/);
    const download = page.waitForEvent("download");
    await panel.getByRole("button", { name: /download as CSV/ }).click();
    expect((await download).suggestedFilename()).toBe("whim-learnings-iterations.csv");
  });

  test("a learning says how often it was given to an agent and used, and what speaks against it", async ({
    page,
  }) => {
    seedOutcomes();
    const text = `Tests need port 5433 ${Date.now()}`;
    const id = addLearning({ text, repo: HELPED });
    addUses(id, { shown: 12, cited: 3 });
    sql("update learnings set missing_citations = '{src/gone.js}' where id = :'id'::uuid", { id });
    await page.goto("/learnings");
    const entry = page.getByRole("listitem").filter({ hasText: text });
    await expect(entry).toContainText("given to 12 attempts, used by 3");
    await expect(entry).toContainText("Files that did not exist: src/gone.js.");
    await entry.getByRole("button", { name: /^Retire/ }).click();
    await page.getByRole("combobox", { name: "State" }).selectOption("retired");
    await expect(entry).toContainText("Retired");
  });

  for (const scheme of ["light", "dark"] as const) {
    test(`it is accessible in the ${scheme} scheme, and fits a phone`, async ({ page }) => {
      seedOutcomes();
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto("/learnings?view=effect");
      await ready(page);
      const panel = page.getByRole("region", { name: "Effect of learnings" });
      await expect(panel.locator("svg .recharts-errorBar").first()).toBeVisible();
      expect(await axe(page)).toEqual([]);
      await page.setViewportSize({ width: 360, height: 740 });
      await panel.getByText("Table").click();
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow).toBeLessThanOrEqual(0);
      expect(await axe(page)).toEqual([]);
    });
  }
});
