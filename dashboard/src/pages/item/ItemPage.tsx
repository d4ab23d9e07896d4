import { Skeleton, Tabs } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { ApiError } from "@/api/errors";
import { useItem } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { usePageTitle } from "@/lib/page-title";
import { itemTitle } from "@/lib/title";
import { ITEM_TABS } from "@/router";
import { ChecklistPanel } from "./ChecklistPanel";
import { ItemHeader } from "./ItemHeader";
import classes from "./ItemPage.module.css";
import { ItemSkeleton } from "./ItemSkeleton";
import { TakeOverPanel } from "./TakeOverPanel";
import { TranscriptTab } from "./transcript/TranscriptTab";

const AttemptsTab = lazy(() => import("./attempts/AttemptsTab"));
const ChangesTab = lazy(() => import("./changes/ChangesTab"));
const ReviewsTab = lazy(() => import("./ReviewsTab"));
const LogTab = lazy(() => import("./LogTab"));
const NotesPanel = lazy(() => import("./notes/NotesPanel"));
const DetailsTab = lazy(() => import("./DetailsTab"));
const route = getRouteApi("/shell/work/$id");

export function ItemPage() {
  const { id } = route.useParams();
  const item = useItem(id);
  if (
    item.error instanceof ApiError &&
    (item.error.status === 404 || item.error.status === 400) &&
    !item.data
  ) {
    return <EmptyState title="There is no such item">Its address may be incomplete.</EmptyState>;
  }
  return (
    <Loaded query={item} what="The item" skeleton={<ItemSkeleton />}>
      {(data) => <Content item={data} />}
    </Loaded>
  );
}

function Content({ item }: { item: WorkItem }) {
  usePageTitle(tabTitle(item));
  const { tab } = route.useSearch();
  const navigate = route.useNavigate();
  const select = (value: string | null) =>
    void navigate({
      search: { tab: ITEM_TABS.find((name) => name === value) },
      replace: true,
      resetScroll: false,
    });
  return (
    <>
      <ItemHeader item={item} />
      <div className={classes.columns}>
        <div className={classes.side}>
          <ChecklistPanel item={item} />
          <Suspense fallback={<Skeleton height={236} radius="md" />}>
            <NotesPanel item={item} />
          </Suspense>
          <TakeOverPanel item={item} />
        </div>
        <section className={classes.main} aria-label="Run">
          <Tabs
            value={tab ?? "transcript"}
            onChange={select}
            keepMounted={false}
            classNames={{ list: classes.tabs, tab: classes.tab }}
          >
            <Tabs.List>
              <Tabs.Tab value="transcript">Transcript</Tabs.Tab>
              <Tabs.Tab value="changes">Changes</Tabs.Tab>
              <Tabs.Tab value="attempts">Attempts</Tabs.Tab>
              <Tabs.Tab value="reviews">Reviews</Tabs.Tab>
              <Tabs.Tab value="log">Log</Tabs.Tab>
              <Tabs.Tab value="details">Details</Tabs.Tab>
            </Tabs.List>
            <Suspense fallback={<SkeletonRows rows={6} />}>
              <Tabs.Panel value="transcript">
                <TranscriptTab item={item} />
              </Tabs.Panel>
              <Tabs.Panel value="changes">
                <ChangesTab item={item} />
              </Tabs.Panel>
              <Tabs.Panel value="attempts">
                <AttemptsTab item={item} />
              </Tabs.Panel>
              <Tabs.Panel value="reviews">
                <ReviewsTab item={item} />
              </Tabs.Panel>
              <Tabs.Panel value="log">
                <LogTab item={item} />
              </Tabs.Panel>
              <Tabs.Panel value="details">
                <DetailsTab item={item} />
              </Tabs.Panel>
            </Suspense>
          </Tabs>
        </section>
      </div>
    </>
  );
}

/** The state comes first, so that a row of narrow tabs still shows it. */
function tabTitle(item: WorkItem): string {
  const title = itemTitle(item);
  switch (item.status) {
    case "in_progress":
      return item.tasksTotal > 0 ? `${item.tasksDone}/${item.tasksTotal} ${title}` : title;
    case "completed":
      return `✓ ${title}`;
    case "failed":
      return `✗ ${title}`;
    default:
      return title;
  }
}
