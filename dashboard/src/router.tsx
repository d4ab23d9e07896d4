import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
} from "@tanstack/react-router";
import * as v from "valibot";
import { SignedIn } from "@/components/shell/SignedIn";
import { CrashPage, NotFoundPage } from "@/pages/FailurePages";

const rootRoute = createRootRouteWithContext()({
  component: Outlet,
  notFoundComponent: NotFoundPage,
});

/** Unknown or malformed parameters are dropped, so that an old link still opens its page. */
function searchOf<const T extends v.ObjectEntries>(entries: T) {
  const schema = v.object(entries);
  return (search: Record<string, unknown>): v.InferOutput<typeof schema> => v.parse(schema, search);
}

const text = v.fallback(v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(200))), undefined);
const choice = <const T extends readonly string[]>(options: T) =>
  v.fallback(v.optional(v.picklist(options)), undefined);

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: searchOf({ next: text }),
  component: lazyRouteComponent(() => import("@/pages/login/LoginPage"), "LoginPage"),
});

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "shell",
  component: SignedIn,
});

const overviewRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/",
  component: lazyRouteComponent(() => import("@/pages/overview/OverviewPage"), "OverviewPage"),
});

const workersRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/workers",
  component: lazyRouteComponent(() => import("@/pages/workers/WorkersPage"), "WorkersPage"),
});

export const QUEUE_VIEWS = [
  "waiting",
  "in_progress",
  "completed",
  "failed",
  "cancelled",
  "all",
] as const;
export const PRIORITIES = ["critical", "high", "medium", "low"] as const;

const queueRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/queue",
  validateSearch: searchOf({
    view: choice(QUEUE_VIEWS),
    repo: text,
    source: text,
    priority: choice(PRIORITIES),
    q: text,
    add: v.fallback(v.optional(v.boolean()), undefined),
  }),
  component: lazyRouteComponent(() => import("@/pages/queue/QueuePage"), "QueuePage"),
});

export const ITEM_TABS = [
  "transcript",
  "changes",
  "attempts",
  "reviews",
  "log",
  "details",
] as const;

const itemRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/work/$id",
  validateSearch: searchOf({
    tab: choice(ITEM_TABS),
    attempt: v.fallback(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))), undefined),
    entry: v.fallback(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))), undefined),
  }),
  component: lazyRouteComponent(() => import("@/pages/item/ItemPage"), "ItemPage"),
});

export const LEARNING_KINDS = ["pattern", "gotcha", "approach"] as const;
export const LEARNING_VIEWS = ["browse", "effect"] as const;
export const LEARNING_STATES = ["current", "pinned", "quarantined", "retired"] as const;

const learningsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/learnings",
  validateSearch: searchOf({
    view: choice(LEARNING_VIEWS),
    repo: text,
    kind: choice(LEARNING_KINDS),
    state: choice(LEARNING_STATES),
    q: text,
  }),
  component: lazyRouteComponent(() => import("@/pages/learnings/LearningsPage"), "LearningsPage"),
});

export const METRIC_RANGES = ["24h", "7d", "30d", "90d"] as const;

const metricsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/metrics",
  validateSearch: searchOf({ range: choice(METRIC_RANGES) }),
  component: lazyRouteComponent(() => import("@/pages/metrics/MetricsPage"), "MetricsPage"),
});

const systemRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/system",
  component: lazyRouteComponent(() => import("@/pages/system/SystemPage"), "SystemPage"),
});

const routeTree = rootRoute.addChildren([
  loginRoute,
  shellRoute.addChildren([
    overviewRoute,
    workersRoute,
    queueRoute,
    itemRoute,
    learningsRoute,
    metricsRoute,
    systemRoute,
  ]),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: CrashPage,
  defaultNotFoundComponent: NotFoundPage,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
