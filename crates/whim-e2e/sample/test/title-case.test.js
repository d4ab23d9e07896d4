import assert from "node:assert/strict";
import { test } from "node:test";
import { titleCase } from "../src/title-case.js";

test("every word begins with an upper-case letter", () => {
  assert.equal(titleCase("the quick brown fox"), "The Quick Brown Fox");
});

test("letters of every alphabet count", () => {
  assert.equal(titleCase("être ou ne pas être"), "Être Ou Ne Pas Être");
});
