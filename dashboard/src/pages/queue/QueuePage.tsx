import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useStatus } from "@/api/queries";
import { PauseControl } from "@/components/actions/PauseControl";
import { PageHeader } from "@/components/PageHeader";
import { plural } from "@/lib/format";
import { usePageTitle } from "@/lib/page-title";
import { ItemList } from "./ItemList";
import { PausedNotice } from "./PausedNotice";
import { QueueFilters } from "./QueueFilters";

const AddWorkDialog = lazy(() => import("./AddWorkDialog"));

const route = getRouteApi("/shell/queue");

export function QueuePage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: status } = useStatus();
  const waiting = status && (status.items.queued ?? 0) + (status.items.generating ?? 0);
  usePageTitle(waiting ? `Queue (${waiting})` : "Queue");
  const setAdding = (add: boolean) =>
    void navigate({
      search: (previous) => ({ ...previous, add: add || undefined }),
      replace: true,
    });
  return (
    <>
      <PageHeader
        title="Queue"
        description={
          waiting === undefined
            ? " "
            : `${plural(waiting, "item")} waiting. Critical first; the oldest first within a priority.`
        }
        actions={
          <>
            <PauseControl />
            <Button
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => setAdding(true)}
            >
              Add work
            </Button>
          </>
        }
      />
      <PausedNotice paused={status?.paused ?? null} />
      <QueueFilters />
      <ItemList search={search} />
      <Suspense>{search.add && <AddWorkDialog onClose={() => setAdding(false)} />}</Suspense>
    </>
  );
}
