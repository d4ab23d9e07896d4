import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { getRouteApi } from "@tanstack/react-router";
import { $api } from "@/api/client";
import { paging } from "@/api/paging";
import { useNewestItems } from "@/api/queries";
import type { Learning } from "@/api/types";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { plural } from "@/lib/format";
import { LEARNING_KIND } from "@/lib/statuses";
import { LEARNING_KINDS, LEARNING_STATES } from "@/router";
import { LearningEntry } from "./LearningEntry";
import classes from "./LearningsPage.module.css";

const route = getRouteApi("/shell/learnings");
const PAGE_SIZE = 60;
const STATE_LABEL: Record<(typeof LEARNING_STATES)[number], string> = {
  current: "Current",
  pinned: "Pinned",
  quarantined: "Not merged yet",
  retired: "Retired",
};

/** The list of learnings with its filters. */
export function Browse() {
  const { repo, kind, state, q } = route.useSearch();
  const query = $api.useInfiniteQuery(
    "get",
    "/api/learnings",
    { params: { query: { repo, kind, state, limit: PAGE_SIZE } } },
    paging,
  );
  const learnings = query.data?.pages.flatMap((page) => page.items);
  return (
    <>
      <Filters />
      <section className={classes.panel} aria-label="Learnings">
        <Loaded
          query={{ ...query, data: learnings }}
          what="The learnings"
          skeleton={<SkeletonRows rows={6} height={72} />}
        >
          {(all) => (
            <>
              <List
                learnings={all.filter((learning) => contains(learning, q))}
                filtered={Boolean(repo || kind || state || q)}
              />
              <footer className={classes.foot}>
                <span>{plural(all.length, "learning")} loaded</span>
                {query.hasNextPage && (
                  <Button
                    variant="default"
                    size="xs"
                    loading={query.isFetchingNextPage}
                    onClick={() => void query.fetchNextPage()}
                  >
                    Load more
                  </Button>
                )}
              </footer>
            </>
          )}
        </Loaded>
      </section>
    </>
  );
}

function contains({ text }: Learning, q: string | undefined): boolean {
  const words = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => text.toLowerCase().includes(word));
}

function Filters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: newest } = useNewestItems();
  const repos = [
    ...new Set([
      ...(newest?.items.map(({ repo }) => repo) ?? []),
      ...(search.repo ? [search.repo] : []),
    ]),
  ];
  const set = (change: Partial<typeof search>) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true });
  return (
    <search className={classes.filters} aria-label="Learnings">
      <TextInput
        aria-label="Search in loaded learnings"
        placeholder="Search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search.q ?? ""}
        onChange={(event) => set({ q: event.currentTarget.value || undefined })}
        data-search
      />
      <NativeSelect
        aria-label="Repository"
        data={[{ value: "", label: "All repositories" }, ...repos.sort()]}
        value={search.repo ?? ""}
        onChange={(event) => set({ repo: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        aria-label="Kind"
        data={[
          { value: "", label: "Any kind" },
          ...LEARNING_KINDS.map((value) => ({ value, label: LEARNING_KIND[value].label })),
        ]}
        value={search.kind ?? ""}
        onChange={(event) =>
          set({ kind: LEARNING_KINDS.find((kind) => kind === event.currentTarget.value) })
        }
      />
      <NativeSelect
        aria-label="State"
        data={LEARNING_STATES.map((value) => ({ value, label: STATE_LABEL[value] }))}
        value={search.state ?? "current"}
        onChange={(event) =>
          set({ state: LEARNING_STATES.find((state) => state === event.currentTarget.value) })
        }
      />
    </search>
  );
}

function List({ learnings, filtered }: { learnings: Learning[]; filtered: boolean }) {
  if (learnings.length === 0) {
    return filtered ? (
      <EmptyState title="No learning matches">Change the filters.</EmptyState>
    ) : (
      <EmptyState title="No learnings yet">
        Agents write them while they work: conventions, pitfalls, and solutions that worked.
      </EmptyState>
    );
  }
  return (
    <ul>
      {learnings.map((learning) => (
        <LearningEntry key={learning.id} learning={learning} />
      ))}
    </ul>
  );
}
