import { expect, it } from "vitest";
import { aStatus } from "@/lib/testing";
import { headline } from "./headline";

it.each([
  [aStatus(), 0, "Nothing needs you, all quiet"],
  [aStatus({ items: { queued: 2 } }), 0, "Nothing needs you, work is waiting"],
  [aStatus({ workers: { active: 1, max: 2 } }), 0, "Nothing needs you, work is under way"],
  [aStatus({ workers: { active: 1, max: 2 } }), 1, "1 thing needs you"],
  [aStatus(), 3, "3 things need you"],
])("names what needs a person before what runs (%#)", (status, attention, title) => {
  expect(headline(status, attention).title).toBe(title);
});

it("counts specs that are being written as waiting", () => {
  const status = aStatus({ items: { queued: 1, generating: 1 }, workers: { active: 1, max: 1 } });
  expect(headline(status, 0).description).toBe("1 of 1 worker slot in use, 2 items waiting");
});
