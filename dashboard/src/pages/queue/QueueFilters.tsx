import { NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { getRouteApi } from "@tanstack/react-router";
import { useNewestItems } from "@/api/queries";
import { PRIORITY } from "@/lib/statuses";
import { PRIORITIES } from "@/router";
import { options, type QueueSearch, type QueueView } from "./filter";
import classes from "./QueueFilters.module.css";

const route = getRouteApi("/shell/queue");

const VIEWS: { value: QueueView; label: string }[] = [
  { value: "waiting", label: "Waiting" },
  { value: "in_progress", label: "In progress" },
  { value: "completed", label: "Completed" },
  { value: "failed", label: "Failed" },
  { value: "cancelled", label: "Cancelled" },
  { value: "all", label: "All" },
];

const ANY_REPOSITORY = { value: "", label: "All repositories" };
const ANY_PRIORITY = { value: "", label: "Any priority" };
const ANY_SOURCE = { value: "", label: "Any source" };

export function QueueFilters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: newest } = useNewestItems();
  const set = (change: QueueSearch) =>
    void navigate({
      search: (previous) => ({ ...previous, ...change }),
      replace: true,
      resetScroll: false,
    });
  const items = newest?.items ?? [];
  const view = search.view ?? "waiting";
  return (
    <search className={classes.filters} aria-label="Items">
      <SegmentedControl
        className={classes.views}
        aria-label="State"
        data={VIEWS}
        value={view}
        onChange={(value) => set({ view: viewOf(value) })}
      />
      <NativeSelect
        className={classes.viewSelect}
        aria-label="State"
        data={VIEWS}
        value={view}
        onChange={(event) => set({ view: viewOf(event.currentTarget.value) })}
      />
      <TextInput
        className={classes.search}
        aria-label="Search in title, repository, branch and person"
        placeholder="Search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search.q ?? ""}
        onChange={(event) => set({ q: event.currentTarget.value || undefined })}
        data-search
      />
      <NativeSelect
        aria-label="Repository"
        data={[
          ANY_REPOSITORY,
          ...options(
            items.map(({ repo }) => repo),
            search.repo,
          ),
        ]}
        value={search.repo ?? ""}
        onChange={(event) => set({ repo: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        aria-label="Priority"
        data={[
          ANY_PRIORITY,
          ...PRIORITIES.map((value) => ({ value, label: PRIORITY[value].label })),
        ]}
        value={search.priority ?? ""}
        onChange={(event) =>
          set({ priority: PRIORITIES.find((value) => value === event.currentTarget.value) })
        }
      />
      <NativeSelect
        aria-label="Source"
        data={[
          ANY_SOURCE,
          ...options(
            items.map(({ source }) => source),
            search.source,
          ),
        ]}
        value={search.source ?? ""}
        onChange={(event) => set({ source: event.currentTarget.value || undefined })}
      />
    </search>
  );
}

function viewOf(value: string): QueueView | undefined {
  return VIEWS.find((view) => view.value === value)?.value;
}
