import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "@playwright/test";
import { desktopConfig, type Flags, navigation } from "lighthouse";
import { completedItem, expect, ready, test } from "./fixtures";

const CATEGORIES = ["accessibility", "best-practices"];
const PATHS = ["/", "/workers", "/queue", "/learnings", "/metrics", "/system"];
const MIN_SCORE = 0.95;
/** The event stream is a request that never ends; `ready` waits for the page instead. */
const MAX_LOAD_MS = 1_000;
const RUN_MS = 90_000;

interface Browser {
  context: BrowserContext;
  /** Lighthouse connects to it. */
  debuggingPort: number;
}

interface Report {
  scores: Record<string, number | null | undefined>;
  /** The audits that lowered a score, with what they found. */
  findings: string[];
  /** Origins of all requests. */
  origins: string[];
}

/** What Lighthouse says about the page at `url` once it has its data. */
async function examine(url: string, { context, debuggingPort }: Browser): Promise<Report> {
  const opened = context.waitForEvent("page");
  const open = async () => {
    const page = await opened;
    await page.goto(url);
    await ready(page);
  };
  const flags: Flags = {
    port: debuggingPort,
    logLevel: "error",
    onlyCategories: CATEGORIES,
    disableFullPageScreenshot: true,
    throttlingMethod: "provided",
    maxWaitForLoad: MAX_LOAD_MS,
  };
  const result = await navigation(undefined, open, { config: desktopConfig, flags });
  if (!result) throw new Error(`Lighthouse has no result for ${url}`);
  const { categories, audits, runtimeError } = result.lhr;
  expect(runtimeError, `Lighthouse examines ${url}`).toBeUndefined();
  const findings = CATEGORIES.flatMap((category) => categories[category]?.auditRefs ?? [])
    .filter(({ id, weight }) => weight > 0 && (audits[id]?.score ?? 1) < 1)
    .map(({ id }) => `${id}: ${JSON.stringify(audits[id]?.details ?? audits[id]?.title)}`);
  const requests = result.artifacts.DevtoolsLog.filter(
    (message) => message.method === "Network.requestWillBeSent",
  );
  return {
    scores: Object.fromEntries(CATEGORIES.map((id) => [id, categories[id]?.score])),
    findings: findings.map((finding) => finding.slice(0, 400)),
    origins: [...new Set(requests.map(({ params }) => new URL(params.request.url).origin))],
  };
}

test("Lighthouse scores each page at least 95 for accessibility and best practices", async ({
  baseURL,
  request,
  launchOptions,
}) => {
  test.setTimeout(RUN_MS);
  const { id } = await completedItem(request);
  const profile = await mkdtemp(join(tmpdir(), "whim-lighthouse-"));
  const context = await chromium.launchPersistentContext(profile, {
    ...launchOptions,
    args: [
      ...(launchOptions.args ?? []),
      "--remote-debugging-port=0",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ],
    colorScheme: "light",
    viewport: null,
  });
  try {
    const [port] = (await readFile(join(profile, "DevToolsActivePort"), "utf8")).split("\n");
    const browser = { context, debuggingPort: Number(port) };
    for (const path of [...PATHS, `/work/${id}`]) {
      const url = new URL(path, baseURL);
      const report = await examine(url.href, browser);
      expect.soft(report.origins, path).toEqual([url.origin]);
      for (const category of CATEGORIES) {
        expect
          .soft(report.scores[category], `${category} of ${path}: ${report.findings.join("\n")}`)
          .toBeGreaterThanOrEqual(MIN_SCORE);
      }
    }
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
});
