import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type APIRequestContext, test as base, expect, type Page } from "@playwright/test";

/** What the page must never do: throw, violate its policy, or talk to another host. */
export interface Offences {
  list: string[];
  /** Expected failures of requests: the browser logs each as an error. */
  allowFailedRequests(): void;
}

const VIOLATION = "__policyViolation";

export const test = base.extend<{ offences: Offences }>({
  offences: [
    async ({ page, baseURL }, use) => {
      const list: string[] = [];
      let failedRequestsAllowed = false;
      await page.exposeFunction(VIOLATION, (text: string) => list.push(`policy: ${text}`));
      await page.addInitScript((name) => {
        document.addEventListener("securitypolicyviolation", (event) => {
          const report: unknown = Reflect.get(window, name);
          if (typeof report === "function")
            report(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
        });
      }, VIOLATION);
      page.on("pageerror", (error) => list.push(`error: ${error.message}`));
      page.on("console", (message) => {
        const failedRequest = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !(failedRequest && failedRequestsAllowed)) {
          list.push(`console: ${message.text()} ${message.location().url}`);
        }
      });
      page.on("dialog", (dialog) => {
        list.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("request", (request) => {
        const url = new URL(request.url());
        const local =
          url.protocol === "data:" ||
          url.protocol === "blob:" ||
          request.url().startsWith(baseURL ?? "");
        if (!local) list.push(`foreign request: ${request.url()}`);
      });
      await use({
        list,
        allowFailedRequests: () => {
          failedRequestsAllowed = true;
        },
      });
      expect(list).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** The repository of the demo, which the scripted model can work on. */
export const REPO = "acme/wordsmith";

export interface Item {
  id: string;
  status: string;
  priority: string;
  branch: string;
  run: number;
  tasksDone: number;
}

export async function submit(
  request: APIRequestContext,
  body: Record<string, unknown>,
): Promise<Item> {
  const response = await request.post("/api/work", { data: { repo: REPO, ...body } });
  expect(response.ok(), await response.text()).toBe(true);
  return response.json();
}

export async function readItem(request: APIRequestContext, id: string): Promise<Item> {
  return (await request.get(`/api/work/${id}`)).json();
}

export async function completedItem(request: APIRequestContext): Promise<Item> {
  const page = await (await request.get("/api/work?status=completed&limit=50")).json();
  expect(page.items.length, "the scene has a completed item").toBeGreaterThan(0);
  return page.items.at(-1);
}

/** Runs `body` while nothing starts; items submitted in it wait. */
export async function whilePaused(
  request: APIRequestContext,
  body: () => Promise<void>,
): Promise<void> {
  await request.post("/api/queue/pause", { data: { reason: "end-to-end tests" } });
  try {
    await body();
  } finally {
    await request.post("/api/queue/resume", { data: {} });
  }
}

export async function cancel(request: APIRequestContext, id: string): Promise<void> {
  await request.post(`/api/work/${id}/cancel`, { data: { reason: "end of the test" } });
}

/** The page has its data and its live updates. */
export async function ready(page: Page): Promise<void> {
  await expect(page.getByTestId("live-state")).toHaveText("Live");
  await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
}

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

interface AxeResult {
  id: string;
  impact: string;
  nodes: string[];
}

/** Serious and critical findings of axe, for WCAG 2.2 AA. */
export async function axe(page: Page): Promise<AxeResult[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { axe: runner } = window as unknown as {
      axe: {
        run(
          options: object,
        ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
      };
    };
    const { violations } = await runner.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, impact, nodes }) => ({
        id,
        impact,
        nodes: nodes.map(({ html }) => html.slice(0, 200)),
      }));
  });
}
