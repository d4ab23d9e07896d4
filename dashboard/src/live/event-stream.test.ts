import { expect, it } from "vitest";
import { parseEvent } from "./event-stream";

it("reads events of known kinds", () => {
  expect(parseEvent('{"kind":"lagged","droppedCount":3}')).toEqual({
    kind: "lagged",
    droppedCount: 3,
  });
});

it.each(["", "{", "null", "[]", '"item"', '{"kind":"from_the_future"}', '{"kind":1}'])(
  "skips %s",
  (data) => {
    expect(parseEvent(data)).toBeUndefined();
  },
);
