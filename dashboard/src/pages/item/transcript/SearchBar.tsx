import { ActionIcon, TextInput } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconSearch } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useState } from "react";
import { formatInteger, plural } from "@/lib/format";
import classes from "./SearchBar.module.css";
import { nextMatch, type SearchProgress, searchTranscript } from "./search";
import type { FetchPage } from "./store";

const TYPING_MS = 300;
const MIN_LENGTH = 2;

interface SearchBarProps {
  fetchPage: FetchPage;
  last: number;
  target: number | undefined;
  onMatch: (number: number) => void;
}

export function SearchBar({ fetchPage, last, target, onMatch }: SearchBarProps) {
  const [query, setQuery] = useState("");
  const progress = useSearch(fetchPage, query);
  const matches = progress?.matches ?? [];
  const go = (by: 1 | -1) => {
    const match = nextMatch(matches, target ?? 0, by);
    if (match !== undefined) onMatch(match);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  };
  return (
    <search className={classes.bar} aria-label="Transcript">
      <TextInput
        size="xs"
        className={classes.field}
        aria-label="Search in the transcript"
        placeholder="Search in the transcript"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={query}
        onChange={(event) => setQuery(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        data-search
      />
      {progress && (
        <>
          <span className={classes.count} role="status">
            {plural(matches.length, "match", "matches")}
            {!progress.done &&
              `, ${formatInteger(progress.through)} of ${formatInteger(last)} read`}
          </span>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="Previous match"
            disabled={matches.length === 0}
            onClick={() => go(-1)}
          >
            <IconChevronUp size={16} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="Next match"
            disabled={matches.length === 0}
            onClick={() => go(1)}
          >
            <IconChevronDown size={16} />
          </ActionIcon>
        </>
      )}
    </search>
  );
}

function useSearch(fetchPage: FetchPage, query: string): SearchProgress | undefined {
  const [progress, setProgress] = useState<SearchProgress>();
  useEffect(() => {
    setProgress(undefined);
    if (query.trim().length < MIN_LENGTH) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      setProgress({ matches: [], through: 0, done: false });
      searchTranscript(fetchPage, query.trim(), abort.signal, setProgress).catch(() =>
        setProgress((before) => before && { ...before, done: true }),
      );
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [fetchPage, query]);
  return progress;
}
