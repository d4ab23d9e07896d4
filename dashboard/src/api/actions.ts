import { notifications } from "@mantine/notifications";
import { type InfiniteData, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { unconfirmedNote } from "@/lib/notes";
import { itemKey, workKey } from "@/live/cache";
import { $api } from "./client";
import { describeError } from "./errors";
import type { Learning, LearningPage, Notes, Status, Worker, WorkerPage, WorkItem } from "./types";

/** Shows a refused action; what it had changed on the page has been restored by then. */
function showRefusal(action: string, error: unknown): void {
  notifications.show({
    color: "red",
    title: `${action} was refused and undone`,
    message: describeError(error),
    autoClose: 12_000,
  });
}

function showDone(message: string): void {
  notifications.show({ color: "green", message });
}

const STATUS_KEY: QueryKey = ["get", "/api/status"];

interface Undo {
  undo: () => void;
}

/** Changes cached data at once, and returns how to restore it. */
function useOptimistic() {
  const client = useQueryClient();
  return {
    change<T>(queryKey: QueryKey, change: (data: T) => T): Undo {
      void client.cancelQueries({ queryKey });
      const before = client.getQueriesData<T>({ queryKey });
      client.setQueriesData<T>({ queryKey }, (data) => data && change(data));
      return {
        undo: () => {
          for (const [key, data] of before) client.setQueryData(key, data);
        },
      };
    },
    refresh(...keys: QueryKey[]): void {
      for (const queryKey of keys)
        void client.invalidateQueries({ queryKey, refetchType: "active" });
    },
  };
}

export function useCancelItem() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/work/{id}/cancel", {
    onMutate: ({ params }) =>
      change<WorkItem>(itemKey(params.path.id), (item) => ({
        ...item,
        status: "cancelled",
        stage: null,
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Cancelling", error);
    },
    onSuccess: () => showDone("The item was cancelled."),
    onSettled: (_data, _error, { params }) =>
      refresh(itemKey(params.path.id), ["get", "/api/work"], ["get", "/api/queue"], STATUS_KEY),
  });
}

export function useRequeueItem() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/work/{id}/requeue", {
    onMutate: ({ params }) =>
      change<WorkItem>(itemKey(params.path.id), (item) => ({
        ...item,
        status: "queued",
        endedAt: null,
        run: item.run + 1,
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Requeueing", error);
    },
    onSuccess: () => showDone("Another run was requested."),
    onSettled: (_data, _error, { params }) =>
      refresh(itemKey(params.path.id), ["get", "/api/work"], ["get", "/api/queue"], STATUS_KEY),
  });
}

export function useSetPriority() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("put", "/api/work/{id}/priority", {
    onMutate: ({ params, body }) =>
      change<WorkItem>(itemKey(params.path.id), (item) => ({ ...item, priority: body.priority })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Changing the priority", error);
    },
    onSettled: (_data, _error, { params }) =>
      refresh(itemKey(params.path.id), ["get", "/api/work"], ["get", "/api/queue"], STATUS_KEY),
  });
}

/** Adds a note to the agent of an item. The caller keeps the text until it is confirmed. */
export function useAddNote() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/work/{id}/notes", {
    onMutate: ({ params, body }) =>
      change<Notes>(notesKey(params.path.id), ({ notes }) => ({
        notes: [...notes, unconfirmedNote(params.path.id, body.text, notes.length)],
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Sending the note", error);
    },
    onSettled: (_data, _error, { params }) => refresh(notesKey(params.path.id)),
  });
}

const notesKey = (id: string) => workKey("/api/work/{id}/notes", id);

const LEARNINGS_KEY: QueryKey = ["get", "/api/learnings"];

/** Edits, pins or retires a learning, or undoes that. */
export function useUpdateLearning() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("patch", "/api/learnings/{id}", {
    onMutate: ({ params, body }) =>
      change<InfiniteData<LearningPage>>(LEARNINGS_KEY, (data) => ({
        ...data,
        pages: data.pages.map((page) => ({
          ...page,
          items: page.items.map((learning) =>
            learning.id === params.path.id ? changedLearning(learning, body) : learning,
          ),
        })),
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Changing the learning", error);
    },
    onSettled: () => refresh(LEARNINGS_KEY),
  });
}

interface LearningChange {
  text?: string | null;
  pinned?: boolean | null;
  retired?: boolean | null;
}

function changedLearning(learning: Learning, { text, pinned, retired }: LearningChange): Learning {
  const now = new Date().toISOString();
  return {
    ...learning,
    text: text ?? learning.text,
    pinnedAt: pinned == null ? learning.pinnedAt : pinned ? now : null,
    retiredAt: retired == null ? learning.retiredAt : retired ? now : null,
  };
}

export function useKillWorker() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/workers/{id}/kill", {
    onMutate: ({ params }) =>
      change<WorkerPage>(["get", "/api/workers"], (page) => ({
        ...page,
        items: page.items.map(
          (worker): Worker =>
            worker.id === params.path.id ? { ...worker, status: "killed", stage: null } : worker,
        ),
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Killing the worker", error);
    },
    onSuccess: () => showDone("The worker was killed. Its item is retried."),
    onSettled: () => refresh(["get", "/api/workers"], STATUS_KEY),
  });
}

export function usePauseQueue() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/queue/pause", {
    onMutate: (variables) =>
      change<Status>(STATUS_KEY, (status) => ({
        ...status,
        paused: {
          since: new Date().toISOString(),
          reason: variables?.body?.reason,
          pausedBy: variables?.body?.pausedBy,
        },
      })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Pausing", error);
    },
    onSettled: () => refresh(STATUS_KEY),
  });
}

export function useResumeQueue() {
  const { change, refresh } = useOptimistic();
  return $api.useMutation("post", "/api/queue/resume", {
    onMutate: () => change<Status>(STATUS_KEY, (status) => ({ ...status, paused: null })),
    onError: (error, _variables, result) => {
      result?.undo();
      showRefusal("Resuming", error);
    },
    onSettled: () => refresh(STATUS_KEY),
  });
}

/** The form shows a refusal next to its fields. */
export function useCreateWork() {
  const { refresh } = useOptimistic();
  return $api.useMutation("post", "/api/work", {
    onSuccess: () => refresh(["get", "/api/work"], ["get", "/api/queue"], STATUS_KEY),
  });
}
