import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import lighthouse from "lighthouse";
import { completedItem, expect, test } from "./fixtures";

const LEAST = 0.95;
const CATEGORIES = ["accessibility", "best-practices"];

test("Lighthouse rates each page 95 or more for accessibility and best practices", async ({
  request,
  baseURL,
  launchOptions,
}) => {
  test.setTimeout(300_000);
  const { id } = await completedItem(request);
  const profile = await mkdtemp(join(tmpdir(), "whim-lighthouse-"));
  const browser = await chromium.launchPersistentContext(profile, {
    ...launchOptions,
    args: [...(launchOptions.args ?? []), "--remote-debugging-port=0"],
  });
  try {
    // Chromium writes the port that it chose into its profile.
    const [port] = (await readFile(join(profile, "DevToolsActivePort"), "utf8")).split("\n");
    for (const path of [
      "/",
      "/workers",
      "/queue",
      "/learnings",
      "/metrics",
      "/system",
      `/work/${id}`,
    ]) {
      const result = await lighthouse(new URL(path, baseURL).href, {
        port: Number(port),
        onlyCategories: CATEGORIES,
        logLevel: "error",
      });
      for (const category of CATEGORIES) {
        const { score, auditRefs } = result?.lhr.categories[category] ?? {};
        const failed = auditRefs
          ?.map((reference) => result?.lhr.audits[reference.id])
          .filter((audit) => audit?.score !== null && (audit?.score ?? 1) < 1)
          .map((audit) => audit?.title);
        expect
          .soft(score, `${path}, ${category}: ${failed?.join("; ")}`)
          .toBeGreaterThanOrEqual(LEAST);
      }
    }
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
});
