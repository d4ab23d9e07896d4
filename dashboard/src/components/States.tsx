import { Button, Skeleton, Stack } from "@mantine/core";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { describeError } from "@/api/errors";
import classes from "./States.module.css";

interface ErrorStateProps {
  /** What failed, as a short sentence without a full stop. */
  title: string;
  error: unknown;
  onRetry: () => void;
  retrying?: boolean;
}

export function ErrorState({ title, error, onRetry, retrying = false }: ErrorStateProps) {
  return (
    <div className={classes.state} role="alert">
      <IconAlertTriangle size={22} className={classes.errorIcon} aria-hidden />
      <p className={classes.title}>{title}</p>
      <p className={classes.text}>{describeError(error)}</p>
      <Button
        variant="default"
        size="xs"
        leftSection={<IconRefresh size={14} aria-hidden />}
        onClick={onRetry}
        loading={retrying}
      >
        Try again
      </Button>
    </div>
  );
}

interface EmptyStateProps {
  title: string;
  children?: ReactNode;
}

export function EmptyState({ title, children }: EmptyStateProps) {
  return (
    <div className={classes.state}>
      <p className={classes.title}>{title}</p>
      {children && <div className={classes.text}>{children}</div>}
    </div>
  );
}

/** Holds the place of `rows` rows of a list. */
export function SkeletonRows({ rows, height = 44 }: { rows: number; height?: number }) {
  return (
    <Stack gap={8} p="md" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => row).map((row) => (
        <Skeleton key={row} height={height - 8} radius="sm" />
      ))}
    </Stack>
  );
}

interface QueryResult<T> {
  data: T | undefined;
  error: unknown;
  isFetching: boolean;
  refetch: () => unknown;
}

interface LoadedProps<T> {
  query: QueryResult<T>;
  /** Names what is loaded, for the error: “The queue could not be loaded”. */
  what: string;
  skeleton: ReactNode;
  children: (data: T) => ReactNode;
}

/** Skeleton, error or content. Content that was loaded before stays when a later request fails. */
export function Loaded<T>({ query, what, skeleton, children }: LoadedProps<T>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error === null || query.error === undefined) return skeleton;
  return (
    <ErrorState
      title={`${what} could not be loaded`}
      error={query.error}
      onRetry={() => void query.refetch()}
      retrying={query.isFetching}
    />
  );
}
